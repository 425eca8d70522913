-- One job, with everything a person may ask about it. Progress is that of its newest run.
-- `reruns`: its newest re-runs, by their tag.
SELECT id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at, error,
       version, worker_id,
       created_at, updated_at, started_at, finished_at, payload, result, errors, callback_url, key,
       tags,
       ARRAY(SELECT job_tags.id FROM job_tags
             WHERE job_tags.tenant_id = jobs.tenant_id
               AND job_tags.tag = 'rerunOf:' || jobs.id::text
             ORDER BY job_tags.id DESC LIMIT 20) AS reruns,
       job_progress.fraction AS progress_fraction, job_progress.text AS progress_text,
       job_progress.at AS progress_at
FROM jobs
LEFT JOIN job_progress ON job_progress.job_id = jobs.id AND job_progress.claim = jobs.claim
    AND jobs.status <> 'PENDING'
WHERE id = $1
