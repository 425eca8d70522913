-- Frees the jobs of dead workers: lease run out, or row gone, or (within a second or two) beats missed while the advisory lock that
-- a live worker's connection holds is free. A lost connection alone frees nothing, nor do missed beats alone. Frees runs far past
-- their deadline, too. Guarded, one statement: any number of rescuers may run it at once.
-- Who was with a dead worker becomes a suspect (deaths > 0) and gets its attempt back; it FAILED only after ten such deaths.
-- $1: how many at once. $2: the class of the workers' advisory locks.
WITH dead AS MATERIALIZED (
    SELECT id FROM workers
    WHERE CASE WHEN expires_at < now() THEN true
               WHEN beat_at < now() - interval '1.5 s' THEN pg_try_advisory_xact_lock($2::int, (id % 2147483647)::int)
               ELSE false END
), looked_at AS MATERIALIZED (
    SELECT claims.worker_id, claims.ids, workers.id IS NULL OR workers.id IN (SELECT id FROM dead) AS is_lost
    FROM claims LEFT JOIN workers ON workers.id = claims.worker_id
    WHERE workers.id IS NULL OR workers.id IN (SELECT id FROM dead) OR claims.deadline_at < now() - interval '5 s'
), stranded AS MATERIALIZED (
    SELECT jobs.id, jobs.claim, jobs.worker_id
    FROM jobs
    WHERE jobs.id = ANY (ARRAY(SELECT unnest(ids) FROM looked_at))
      AND jobs.worker_id IS NOT NULL
      AND (jobs.worker_id IN (SELECT worker_id FROM looked_at WHERE is_lost) OR jobs.deadline_at < now() - interval '5 s')
    ORDER BY jobs.id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs
SET status = CASE WHEN deaths + 1 >= 10 THEN 'FAILED'::job_status ELSE 'PENDING' END,
    version = version + 1, changed_xid = pg_current_xact_id(), updated_at = now(),
    finished_at = CASE WHEN deaths + 1 >= 10 THEN now() END,
    worker_id = NULL, deadline_at = NULL,
    deaths = deaths + 1,
    attempts = greatest(attempts - 1, 0),
    error = 'the worker was lost',
    errors = CASE WHEN jsonb_array_length(errors) >= 100 THEN errors - 0 ELSE errors END
             || jsonb_build_object('attempt', attempts, 'error', 'the worker was lost', 'at', now(), 'workerId', stranded.worker_id)
FROM stranded
WHERE jobs.id = stranded.id
  -- A row that was rescued and claimed again while this statement waited for it: its claim number tells.
  AND jobs.claim = stranded.claim
RETURNING jobs.id, jobs.tenant_id, jobs.type, jobs.status::text, jobs.attempts, jobs.version, jobs.error, jobs.updated_at
