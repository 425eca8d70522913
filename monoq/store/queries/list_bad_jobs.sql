-- A page of a tenant's jobs that ended badly with the status $2, as of list_jobs.sql. A tenant
-- between $1 and $1, and in order: else the planner may walk the primary key, over all tenants.
SELECT id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at, error, version, worker_id,
       created_at, updated_at, started_at, finished_at
FROM jobs
WHERE tenant_id BETWEEN $1 AND $1
  AND status = $2
  AND ended_badly -- names the condition of jobs_ended_badly
  AND ($3::text IS NULL OR type = $3)
  AND ($4::uuid IS NULL OR id < $4)
ORDER BY tenant_id DESC, id DESC
LIMIT $5
