-- What tells this stream of changes from every other whose transaction ids could be mistaken for
-- its own: after a dump was restored, a point in time, or a failover, one of these differs. (The
-- timeline from the name of the WAL file: it is new at once.)
SELECT stream.id::text,
       (SELECT system_identifier FROM pg_control_system())::text AS cluster,
       left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline,
       (SELECT oid FROM pg_database WHERE datname = current_database())::text AS database,
       'jobs'::regclass::oid::text AS jobs
FROM stream
