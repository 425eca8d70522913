-- What a batch came to, in its transaction: the cursor ($2, $3; $4: nothing is before it), the jobs
-- left behind it ($5), and how many were changed ($6) and skipped ($7).
UPDATE operations
SET cursor_tenant = $2, cursor_id = $3, at_end = $4, behind = $5::uuid[], done = done + $6,
    skipped = skipped + $7, moved_at = clock_timestamp(),
    state = CASE WHEN $4 AND $5::uuid[] = '{}' THEN 'COMPLETED' ELSE 'RUNNING' END,
    finished_at = CASE WHEN $4 AND $5::uuid[] = '{}' THEN clock_timestamp() END
WHERE id = $1
