-- Operations, newest first, below the id $1.
SELECT id, kind, state, filter::text, matched, matched_all, done, skipped, created_at, finished_at,
       error
FROM operations
WHERE $1::uuid IS NULL OR id < $1
ORDER BY id DESC
LIMIT $2
