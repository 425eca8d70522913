-- For how many seconds the longest-waiting due job of each tenant has been due; tenants without due jobs are missing.
-- By hopping over the index waiting_jobs_next: one look-up finds the next of type, tenant and priority, and its earliest job with it.
-- $1, $2: from which tenant to which. After $3 hops it stops, and the rest is missing.
WITH RECURSIVE kinds AS (
    (SELECT suspect, type FROM waiting_jobs ORDER BY suspect, type LIMIT 1)
    UNION ALL
    SELECT next.*
    FROM kinds, LATERAL (
        SELECT suspect, type FROM waiting_jobs
        WHERE (waiting_jobs.suspect, waiting_jobs.type) > (kinds.suspect, kinds.type)
        ORDER BY suspect, type LIMIT 1
    ) AS next
), firsts AS (
    SELECT kinds.suspect, kinds.type, first.*, 1 AS hops
    FROM kinds, LATERAL (
        SELECT tenant_id, priority, run_at FROM waiting_jobs
        WHERE waiting_jobs.suspect = kinds.suspect AND waiting_jobs.type = kinds.type AND tenant_id BETWEEN $1 AND $2
        ORDER BY tenant_id, priority, run_at LIMIT 1
    ) AS first
    UNION ALL
    SELECT firsts.suspect, firsts.type, next.*, firsts.hops + 1
    FROM firsts, LATERAL (
        SELECT tenant_id, priority, run_at FROM waiting_jobs
        WHERE waiting_jobs.suspect = firsts.suspect AND waiting_jobs.type = firsts.type AND tenant_id BETWEEN $1 AND $2
          AND (tenant_id, priority) > (firsts.tenant_id, firsts.priority)
        ORDER BY tenant_id, priority, run_at LIMIT 1
    ) AS next
    WHERE firsts.hops < $3
)
SELECT tenant_id, date_part('epoch', now() - min(run_at)) AS waited_s
FROM firsts
GROUP BY tenant_id
