-- One job, with everything a person may ask about it.
SELECT id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at, error, progress, version, worker_id,
       created_at, updated_at, started_at, finished_at, payload, result, errors
FROM jobs WHERE id = $1
