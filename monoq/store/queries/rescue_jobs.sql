-- Frees the jobs of workers whose lease ran out or whose row is gone, and runs far past their deadline: back to PENDING,
-- or FAILED once they were lost three times. Guarded, one statement: any number of rescuers may run it at once.
UPDATE jobs
SET status = CASE WHEN jobs.lost + 1 >= 3 THEN 'FAILED'::job_status ELSE 'PENDING' END,
    version = version + 1, changed_xid = pg_current_xact_id(), updated_at = now(),
    finished_at = CASE WHEN jobs.lost + 1 >= 3 THEN now() END,
    worker_id = NULL, deadline_at = NULL, lost = jobs.lost + 1,
    error = 'the worker was lost',
    errors = errors || jsonb_build_object('attempt', attempts, 'error', 'the worker was lost', 'at', now(), 'workerId', stranded.worker_id)
FROM (
    SELECT jobs.id, jobs.worker_id
    FROM jobs LEFT JOIN workers ON workers.id = jobs.worker_id
    WHERE jobs.status = 'RUNNING'
      AND (workers.id IS NULL OR workers.expires_at < now() OR jobs.deadline_at < now() - interval '5 s')
    ORDER BY jobs.id
    LIMIT $1
    FOR UPDATE OF jobs SKIP LOCKED
) AS stranded
WHERE jobs.id = stranded.id
RETURNING jobs.id, jobs.tenant_id, jobs.type, jobs.status::text, jobs.attempts, jobs.version, jobs.error, jobs.updated_at
