-- What keeps VACUUM from removing the dead rows of this database: of each kind the one that reaches
-- back furthest, how many transactions (`behind`), and since when, in seconds, if Postgres knows.
-- Sessions of other roles are seen with pg_read_all_stats only. A VACUUM holds back no other.
-- `next`: the next transaction, so that `next - behind` is where it stands.
WITH holders AS (
    SELECT 'session' AS kind,
           format('pid %s, user %s, application %s, %s', pid, usename,
                  quote_literal(application_name), state) AS holder,
           greatest(age(backend_xmin), age(backend_xid)) AS behind,
           extract(epoch FROM clock_timestamp() - xact_start)::float8 AS open_s
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
      AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
    UNION ALL
    SELECT 'prepared', format('%s of user %s', quote_literal(gid), owner), age(transaction),
           extract(epoch FROM clock_timestamp() - prepared)::float8
    FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT 'slot',
           format('%s, %s, %s', slot_name, slot_type,
                  CASE WHEN active THEN 'in use' ELSE 'nobody uses it' END), age(xmin), NULL
    FROM pg_replication_slots WHERE xmin IS NOT NULL
    UNION ALL
    SELECT 'standby',
           format('application %s at %s', quote_literal(application_name),
                  coalesce(client_addr::text, 'this host')), age(backend_xmin), NULL
    FROM pg_stat_replication WHERE backend_xmin IS NOT NULL
)
(SELECT DISTINCT ON (kind) kind, holder, behind, open_s,
                           pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next
 FROM holders ORDER BY kind, behind DESC)
UNION ALL
-- there is always a row
SELECT '', '', 0, NULL, pg_snapshot_xmax(pg_current_snapshot())::text::bigint
