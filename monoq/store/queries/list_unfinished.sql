-- The $1 oldest jobs that run or are due. For tests: it reads the whole table.
SELECT id, tenant_id, type, status, attempts, error
FROM jobs WHERE status = 'RUNNING' OR (status = 'PENDING' AND run_at <= now())
ORDER BY id LIMIT $1
