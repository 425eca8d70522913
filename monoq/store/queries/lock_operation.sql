-- The operation that has rested longest and that nobody goes on with at this moment; it is this
-- transaction's until its end.
SELECT id, kind, filter::text, created_at, at_end, cursor_id, cursor_tenant, behind
FROM operations
WHERE finished_at IS NULL
ORDER BY moved_at
LIMIT 1
FOR UPDATE SKIP LOCKED
