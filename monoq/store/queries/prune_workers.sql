-- Rows of workers whose lease ran out more than $1 seconds ago and that hold no job.
DELETE FROM workers
WHERE expires_at < now() - $1 * interval '1 s'
  AND NOT EXISTS (SELECT FROM claims WHERE claims.worker_id = workers.id)
