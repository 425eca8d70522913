-- A page of a tenant's jobs, newest first (ids are version 7, so their order is the order of creation), below the id $4.
-- Those that wait or run have statements of their own: among millions that have ended, this one would look for them for long.
SELECT id, tenant_id, type, status::text, attempts, lost, max_attempts, priority, run_at, error, progress, version, worker_id,
       created_at, updated_at, started_at, finished_at
FROM jobs
WHERE tenant_id = $1
  AND ($2::job_status IS NULL OR status = $2)
  AND ($2::job_status IS NULL OR $2 NOT IN ('FAILED', 'CANCELLED') OR ended_badly) -- names the condition of jobs_ended_badly
  AND ($3::text IS NULL OR type = $3)
  AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC
LIMIT $5
