-- Lets $1 seconds pass for the jobs that are not due; NULL: until the next of them is. For tests:
-- it reads the whole table.
UPDATE jobs
SET run_at = run_at - coalesce($1::float8 * interval '1 s',
                               (SELECT min(run_at) - now() FROM delayed_jobs))
WHERE status = 'PENDING' AND run_at > now()
RETURNING id
