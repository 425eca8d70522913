-- All jobs, oldest first, with payloads. For tests: it reads the whole table.
SELECT id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at, error, progress, version, worker_id,
       created_at, updated_at, started_at, finished_at, payload, result, errors
FROM jobs ORDER BY id
