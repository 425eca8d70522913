-- What the reason why job $1 waits begins with.
SELECT jobs.tenant_id::text, type::text, status::text, priority, run_at,
       run_at > clock_timestamp() AS not_due,
       attempts, error, crashes + deaths > 0 AS suspect, jobs.key::text, job_keys.holder
FROM jobs
LEFT JOIN job_keys ON job_keys.tenant_id = jobs.tenant_id AND job_keys.key = jobs.key
    AND job_keys.holder <> jobs.id
WHERE id = $1
