-- Removes what workers without a valid lease had claimed, where none of it is theirs any more.
-- Those with a lease fold their own claims.
-- A job comes back to a worker only by a new claim, which has a row of its own.
DELETE FROM claims
WHERE worker_id NOT IN (SELECT id FROM workers WHERE expires_at > now())
  AND NOT EXISTS (SELECT FROM jobs
                  WHERE jobs.id = ANY (claims.ids) AND jobs.worker_id = claims.worker_id)
