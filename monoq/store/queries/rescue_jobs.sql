-- Frees the jobs of lost workers: those whose lease has run out, or that a process on their host
-- has proved dead (report_dead_workers.sql), or whose row is gone. Guarded, one statement: any
-- number of rescuers may run it at once.
-- A worker is declared lost in the same statement: from then on its heartbeat cannot renew the
-- lease. Whichever of the two locks its row first decides. So a worker that was only cut off keeps
-- its jobs until somebody takes them from it, and no longer.
-- Who was with a dead worker becomes a suspect (deaths = 1), which runs alone, and gets its attempt
-- back; nobody is charged.
-- $1: how many at once. $2: after how many such deaths a job has FAILED: a bound for one that kills
-- its worker from a child process.
WITH lost AS MATERIALIZED (
    SELECT id FROM workers WHERE expires_at <= now() ORDER BY id FOR UPDATE SKIP LOCKED
), declared AS (
    UPDATE workers SET declared_lost = true WHERE id IN (SELECT id FROM lost) AND NOT declared_lost
), ids AS MATERIALIZED (
    SELECT claims.worker_id, claims.ids
    FROM claims LEFT JOIN workers ON workers.id = claims.worker_id
    WHERE workers.id IS NULL OR workers.id IN (SELECT id FROM lost)
), stranded AS MATERIALIZED (
    SELECT jobs.id, jobs.claim, jobs.worker_id
    FROM jobs
    WHERE jobs.id = ANY (ARRAY(SELECT unnest(ids) FROM ids))
      AND jobs.worker_id IN (SELECT worker_id FROM ids)
    ORDER BY jobs.id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs
SET status = CASE WHEN deaths + 1 >= $2 THEN 'FAILED'::job_status ELSE 'PENDING' END,
    version = version + 1, changed_xid = pg_current_xact_id(), updated_at = now(),
    finished_at = CASE WHEN deaths + 1 >= $2 THEN now() END,
    worker_id = NULL, deadline_at = NULL,
    deaths = deaths + 1,
    attempts = greatest(attempts - 1, 0),
    error = 'the worker was lost',
    errors = CASE WHEN jsonb_array_length(errors) >= 100 THEN errors - 0 ELSE errors END
             || jsonb_build_object('attempt', attempts, 'error', 'the worker was lost', 'at', now(),
                                   'workerId', stranded.worker_id)
FROM stranded
WHERE jobs.id = stranded.id
  -- A row that was rescued and claimed again while this statement waited for it: its claim number
  -- tells.
  AND jobs.claim = stranded.claim
RETURNING jobs.id, jobs.tenant_id, jobs.type, jobs.status::text, jobs.attempts, jobs.version,
          jobs.error, jobs.updated_at
