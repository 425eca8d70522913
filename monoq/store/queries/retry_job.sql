-- A person's retry of a failed or cancelled job: it waits again, with its attempts anew. The claim
-- number stays: it never falls.
UPDATE jobs
SET status = 'PENDING', version = version + 1, changed_xid = pg_current_xact_id(),
    updated_at = now(), finished_at = NULL,
    run_at = now(), attempts = 0, crashes = 0, deaths = 0, error = NULL, result = NULL
WHERE id = $1 AND status IN ('FAILED', 'CANCELLED')
RETURNING id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at,
          error, version, worker_id,
       created_at, updated_at, started_at, finished_at, payload, result, errors, callback_url, key,
       tags,
       ARRAY(SELECT job_tags.id FROM job_tags
             WHERE job_tags.tenant_id = jobs.tenant_id
               AND job_tags.tag = 'rerunOf:' || jobs.id::text
             ORDER BY job_tags.id DESC LIMIT 20) AS reruns
