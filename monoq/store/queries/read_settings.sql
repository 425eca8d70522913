-- Settings of Postgres as a new session of this role gets them, and whether this role may see what
-- other sessions do.
SELECT name, setting FROM pg_settings
WHERE name IN ('autovacuum', 'track_counts', 'autovacuum_naptime', 'fsync', 'full_page_writes',
               'synchronous_commit', 'max_connections', 'superuser_reserved_connections',
               'reserved_connections', 'hot_standby_feedback', 'server_version')
UNION ALL
SELECT 'may see sessions', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')::text
UNION ALL
SELECT 'sessions', count(*)::text FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend'
