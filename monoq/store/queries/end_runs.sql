-- Ends runs in any other way than success, where they still hold their claim (see complete_jobs.sql
-- for the fence):
-- back to PENDING after a delay (retry, snooze, release), or FAILED, or CANCELLED.
-- $5 gives attempts back (snooze, release); $6 counts a child process of its own that died of it,
-- $7 another death with the job in hand; $8 says what went wrong and goes into the history with its
-- traceback ($9), of which the last 100 are kept. A suspect stays one: what keeps a whole process
-- from turning was stopped in a child, and would end the next worker.
UPDATE jobs
SET status = ended.status, version = version + 1, changed_xid = pg_current_xact_id(),
    updated_at = now(),
    finished_at = CASE WHEN ended.status <> 'PENDING' THEN now() END,
    -- What was only given back keeps its place.
    run_at = CASE WHEN ended.status = 'PENDING' AND (ended.delay_ms > 0 OR ended.error IS NOT NULL)
                  THEN now() + ended.delay_ms * interval '1 ms' ELSE run_at END,
    worker_id = NULL, deadline_at = NULL,
    attempts = jobs.attempts - ended.attempts_back,
    crashes = jobs.crashes + ended.crashes, deaths = jobs.deaths + ended.deaths,
    error = coalesce(ended.error, jobs.error),
    errors = CASE WHEN ended.error IS NULL THEN errors
                  ELSE CASE WHEN jsonb_array_length(errors) >= 100 THEN errors - 0 ELSE errors END
                       || jsonb_strip_nulls(jsonb_build_object(
                              'attempt', attempts, 'error', ended.error, 'at', now(),
                              'workerId', worker_id, 'traceback', ended.traceback)) END
FROM unnest($1::uuid[], $2::int[], $3::job_status[], $4::bigint[], $5::int[], $6::int[], $7::int[],
            $8::text[], $9::text[])
     AS ended (id, claim, status, delay_ms, attempts_back, crashes, deaths, error, traceback)
WHERE jobs.id = ended.id AND jobs.claim = ended.claim AND jobs.worker_id = $10
RETURNING jobs.id, jobs.version, date_part('epoch', now()) AS at
