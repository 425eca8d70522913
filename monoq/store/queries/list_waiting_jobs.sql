-- A page of a tenant's jobs that wait, as of list_jobs.sql.
SELECT id, tenant_id, type, status::text, attempts, lost, max_attempts, priority, run_at, error, progress, version, worker_id,
       created_at, updated_at, started_at, finished_at
FROM jobs
WHERE id = ANY (ARRAY(
    SELECT waiting_jobs.id
    FROM waiting_jobs
    WHERE waiting_jobs.tenant_id = $1
      AND ($2::text IS NULL OR waiting_jobs.type = $2)
      AND ($3::uuid IS NULL OR waiting_jobs.id < $3)
    ORDER BY waiting_jobs.id DESC
    LIMIT $4
))
ORDER BY id DESC
