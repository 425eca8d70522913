-- For how many seconds the longest-waiting due job of each tenant has been due; tenants without due jobs are missing.
-- By hopping over the index waiting_jobs_next: one look-up finds the next pair of tenant and priority, and its earliest job with it.
-- $1: one tenant, or NULL for all of them.
WITH RECURSIVE firsts AS (
    (SELECT tenant_id, priority, run_at FROM waiting_jobs
     WHERE $1::text IS NULL OR tenant_id = $1
     ORDER BY tenant_id, priority, run_at LIMIT 1)
    UNION ALL
    SELECT following.*
    FROM firsts, LATERAL (
        SELECT tenant_id, priority, run_at FROM waiting_jobs
        WHERE ($1::text IS NULL OR tenant_id = $1) AND (tenant_id, priority) > (firsts.tenant_id, firsts.priority)
        ORDER BY tenant_id, priority, run_at LIMIT 1
    ) AS following
)
SELECT tenant_id, date_part('epoch', now() - min(run_at)) AS waited_s
FROM firsts WHERE run_at <= now()
GROUP BY tenant_id
