-- The jobs that a worker is running, as far as Postgres knows.
SELECT id, claim FROM jobs WHERE status = 'RUNNING' AND worker_id = $1
