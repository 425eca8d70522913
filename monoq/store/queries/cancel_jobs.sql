-- Cancels the jobs of $8 that still match, as cancel_job.sql does; $1 to $7 are those of
-- find_jobs_to_cancel.sql. Returns a row for each that matched; `tenant_id` is NULL where another
-- transaction holds the job: it is not waited for, so that no two wait for one another.
WITH matching AS MATERIALIZED (
    SELECT id
    FROM jobs
    WHERE id = ANY ($8::uuid[]) AND status = ANY ($1::text[]::job_status[])
      AND ($2::text IS NULL OR tenant_id = $2) AND ($3::text IS NULL OR type = $3)
      AND ($4::text IS NULL OR starts_with(error, $4))
      AND ($5::timestamptz IS NULL OR created_at >= $5)
      AND ($6::timestamptz IS NULL OR created_at < $6)
      AND created_at <= $7::timestamptz
), free AS MATERIALIZED (
    SELECT id
    FROM jobs
    WHERE id = ANY (ARRAY(SELECT id FROM matching)) AND status = ANY ($1::text[]::job_status[])
      AND ($4::text IS NULL OR starts_with(error, $4))
    ORDER BY id
    FOR UPDATE SKIP LOCKED
), cancelled AS (
    UPDATE jobs
    SET status = 'CANCELLED', version = version + 1, changed_xid = pg_current_xact_id(),
        updated_at = now(), finished_at = now(),
        worker_id = NULL, deadline_at = NULL
    WHERE id = ANY (ARRAY(SELECT id FROM free))
    RETURNING id, tenant_id, type, status, attempts, version, error, updated_at
)
SELECT id, tenant_id, type, status::text, attempts, version, error, updated_at FROM cancelled
UNION ALL
SELECT id, NULL, NULL, NULL, NULL, NULL, NULL, NULL
-- no join: the planner expects ten rows, and takes a nested loop
FROM (SELECT id FROM matching EXCEPT SELECT id FROM cancelled) AS held
