-- For how many seconds the longest-waiting due job of each tenant of $1 has been due; tenants
-- without due jobs are missing. One look-up in the index waiting_jobs_next for each type, tenant
-- and priority.
WITH RECURSIVE pairs AS (
    SELECT tenant_id, type FROM job_counts
    WHERE tenant_id = ANY ($1::text[]) AND status = 'PENDING' AND jobs <> 0
    UNION
    SELECT tenant_id, type FROM job_count_changes
    WHERE tenant_id = ANY ($1::text[]) AND status = 'PENDING'
), firsts AS (
    SELECT either.suspect, pairs.type, pairs.tenant_id, first.priority, first.run_at
    FROM pairs, unnest(ARRAY[false, true]) AS either (suspect), LATERAL (
        SELECT priority, run_at FROM waiting_jobs
        WHERE waiting_jobs.suspect = either.suspect AND waiting_jobs.type = pairs.type
          AND waiting_jobs.tenant_id = pairs.tenant_id
        ORDER BY priority, run_at LIMIT 1
    ) AS first
    UNION ALL
    SELECT firsts.suspect, firsts.type, firsts.tenant_id, next.priority, next.run_at
    FROM firsts, LATERAL (
        SELECT priority, run_at FROM waiting_jobs
        WHERE waiting_jobs.suspect = firsts.suspect AND waiting_jobs.type = firsts.type
          AND waiting_jobs.tenant_id = firsts.tenant_id
          AND waiting_jobs.priority > firsts.priority
        ORDER BY priority, run_at LIMIT 1
    ) AS next
)
SELECT tenant_id, date_part('epoch', now() - min(run_at)) AS waited_s
FROM firsts
GROUP BY tenant_id
