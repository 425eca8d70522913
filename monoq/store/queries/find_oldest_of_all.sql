-- For how many seconds the longest-waiting due job has been due; NULL: none is. Exact as long as
-- there are no more than $2 tenants and priorities per type with due jobs; beyond that it is the
-- longest of these and of the $1 jobs that were stored first, so it may be too little.
SELECT date_part('epoch', now() - least(
    (SELECT min(run_at)
     FROM (SELECT run_at FROM waiting_jobs ORDER BY id LIMIT $1) AS stored_first),
    (WITH RECURSIVE kinds AS (
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
             WHERE waiting_jobs.suspect = kinds.suspect AND waiting_jobs.type = kinds.type
             ORDER BY tenant_id, priority, run_at LIMIT 1
         ) AS first
         UNION ALL
         SELECT firsts.suspect, firsts.type, next.*, firsts.hops + 1
         FROM firsts, LATERAL (
             SELECT tenant_id, priority, run_at FROM waiting_jobs
             WHERE waiting_jobs.suspect = firsts.suspect AND waiting_jobs.type = firsts.type
               AND (tenant_id, priority) > (firsts.tenant_id, firsts.priority)
             ORDER BY tenant_id, priority, run_at LIMIT 1
         ) AS next
         WHERE firsts.hops < $2
     )
     SELECT min(run_at) FROM firsts)
)) AS waited_s
