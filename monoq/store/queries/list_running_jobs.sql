-- A page of a tenant's jobs that run, as of list_jobs.sql.
SELECT id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at, error,
       version, worker_id,
       created_at, updated_at, started_at, finished_at, tags
FROM jobs
WHERE id = ANY (ARRAY(SELECT unnest(ids) FROM claims))
  AND status = 'RUNNING'
  -- no condition of an index: the ids are, which are fewer, whatever the planner thinks of the
  -- table
  AND tenant_id || '' = $1
  AND ($2::text IS NULL OR type = $2)
  AND ($3::uuid IS NULL OR id < $3) AND ($4::uuid IS NULL OR id >= $4)
ORDER BY id DESC
LIMIT $5
