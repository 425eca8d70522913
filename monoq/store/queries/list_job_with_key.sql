-- The one job of tenant $1 with the idempotency key $6, as of list_jobs.sql, if it has the status
-- $2, is of type $3, has an id below $4 and from $5 on, all the tags $7 and an error that begins
-- with $8.
SELECT id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at, error,
       version, worker_id,
       created_at, updated_at, started_at, finished_at, tags
FROM jobs
WHERE id = (SELECT job_id FROM idempotency_keys
            WHERE idempotency_keys.tenant_id = $1 AND idempotency_keys.key = $6)
  AND tenant_id = $1
  AND ($2::job_status IS NULL OR status = $2)
  AND ($3::text IS NULL OR type = $3)
  AND ($4::uuid IS NULL OR id < $4) AND ($5::uuid IS NULL OR id >= $5)
  AND ($7::jsonb IS NULL OR tags @> $7)
  AND ($8::text IS NULL OR ended_badly AND starts_with(error, $8))
