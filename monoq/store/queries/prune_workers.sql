-- Rows of workers that are gone for good and hold no job.
DELETE FROM workers
WHERE expires_at < now() - interval '1 hour'
  AND NOT EXISTS (SELECT FROM claims WHERE claims.worker_id = workers.id)
