-- Removes up to $3 rows of the history: minutes older than $1 seconds, hours older than $2. Returns
-- how many there were.
WITH pruned AS (
    DELETE FROM job_history
    WHERE ctid = ANY (ARRAY( -- closed rows never change
        (SELECT ctid FROM job_history WHERE step = 60 AND at < now() - $1::float8 * interval '1 s'
         ORDER BY step, at LIMIT $3)
        UNION ALL
        (SELECT ctid FROM job_history WHERE step = 3600 AND at < now() - $2::float8 * interval '1 s'
         ORDER BY step, at LIMIT $3)))
    RETURNING 1
)
SELECT count(*) FROM pruned
