-- Whose open transaction $1 is, in words: a session's, or one that was prepared. No row if it has
-- ended, or may not be seen by us.
SELECT format('database %s, user %s, pid %s, application %s, %s', datname, usename, pid,
              quote_literal(application_name), state)
FROM pg_stat_activity
WHERE backend_xid = $1::xid8::xid
UNION ALL
SELECT format('database %s, user %s, prepared as %s', database, owner, quote_literal(gid))
FROM pg_prepared_xacts
WHERE transaction = $1::xid8::xid
