-- For how many seconds the longest-waiting due job of each of these tenants ($1) has been due; tenants without due jobs are missing.
-- By hopping over the index waiting_jobs_next, from priority to priority, for the first $2 types that wait: the rest is missing.
WITH RECURSIVE kinds AS (
    (SELECT suspect, type, 1 AS n FROM waiting_jobs ORDER BY suspect, type LIMIT 1)
    UNION ALL
    SELECT next.*, n + 1
    FROM kinds, LATERAL (
        SELECT suspect, type FROM waiting_jobs
        WHERE (waiting_jobs.suspect, waiting_jobs.type) > (kinds.suspect, kinds.type)
        ORDER BY suspect, type LIMIT 1
    ) AS next
    WHERE n < $2
), firsts AS (
    SELECT kinds.suspect, kinds.type, tenants.tenant_id, first.*
    FROM unnest($1::text[]) AS tenants (tenant_id), kinds, LATERAL (
        SELECT priority, run_at FROM waiting_jobs
        WHERE waiting_jobs.suspect = kinds.suspect AND waiting_jobs.type = kinds.type AND waiting_jobs.tenant_id = tenants.tenant_id
        ORDER BY priority, run_at LIMIT 1
    ) AS first
    UNION ALL
    SELECT firsts.suspect, firsts.type, firsts.tenant_id, next.*
    FROM firsts, LATERAL (
        SELECT priority, run_at FROM waiting_jobs
        WHERE waiting_jobs.suspect = firsts.suspect AND waiting_jobs.type = firsts.type AND waiting_jobs.tenant_id = firsts.tenant_id
          AND waiting_jobs.priority > firsts.priority
        ORDER BY priority, run_at LIMIT 1
    ) AS next
)
SELECT tenant_id, date_part('epoch', now() - min(run_at)) AS waited_s
FROM firsts
GROUP BY tenant_id
