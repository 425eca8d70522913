-- Writes success for runs that still hold their claim. The fence is (id, claim, worker); only a
-- running row has a worker (a CHECK says so).
-- When comes back as seconds (see claim_jobs.sql).
UPDATE jobs
SET status = 'COMPLETED', version = version + 1, changed_xid = pg_current_xact_id(),
    updated_at = now(), finished_at = now(),
    worker_id = NULL, deadline_at = NULL, error = NULL, result = done.result
FROM unnest($1::uuid[], $2::int[], $3::jsonb[]) AS done (id, claim, result)
WHERE jobs.id = done.id AND jobs.claim = done.claim AND jobs.worker_id = $4
RETURNING jobs.id, jobs.version, date_part('epoch', now()) AS at
