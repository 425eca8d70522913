-- Our tables: about how many rows are live and dead, how many bytes they take with their indexes,
-- and whether autovacuum looks after them.
SELECT pg_class.relname AS name, n_live_tup AS live, n_dead_tup AS dead,
       pg_total_relation_size(relid) AS bytes,
       coalesce('autovacuum_enabled=off' = ANY (reloptions)
                OR 'autovacuum_enabled=false' = ANY (reloptions), false) AS unattended
FROM pg_stat_user_tables JOIN pg_class ON pg_class.oid = relid
WHERE schemaname = 'public'
ORDER BY 1
