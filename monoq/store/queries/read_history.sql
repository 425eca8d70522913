-- The history of tenant $1 and type $2 ('' for all) in rows of $3 seconds, from $4 until before $5.
-- One snapshot; `kind` of a row:
-- 'closed': of job_history; `waiting` and `running` are NULL in an hour that may get more;
-- 'before': the newest one before $4; 'open': what happened in each open minute, also behind $5;
-- 'times': histograms of open minutes; 'now': what waits and runs as far as it is folded; 'left
-- out': minutes or hours in which rows of such series were left out.
(SELECT 'closed' AS kind, at, submitted, completed, failed, cancelled, retried, waiting_change,
        running_change, waiting, running, waits, runs
 FROM job_history WHERE tenant_id = $1 AND type = $2 AND step = $3 AND at >= $4 AND at < $5
 ORDER BY at)
UNION ALL
(SELECT 'before', at, 0, 0, 0, 0, 0, 0, 0, waiting, running, '{}', '{}'
 FROM job_history WHERE tenant_id = $1 AND type = $2 AND step = $3 AND at < $4 ORDER BY at DESC
 LIMIT 1)
UNION ALL
SELECT 'open', at, sum(submitted)::bigint, sum(completed)::bigint, sum(failed)::bigint,
       sum(cancelled)::bigint, sum(retried)::bigint,
       sum(waiting_change)::bigint, sum(running_change)::bigint,
       NULL, NULL, '{}', '{}'
FROM open_minutes WHERE tenant_id = $1 AND ($2 = '' OR type = $2) GROUP BY at
UNION ALL
SELECT 'times', at, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, waits, runs FROM job_times
WHERE tenant_id = $1 AND ($2 = '' OR type = $2)
UNION ALL
SELECT 'now', now(), 0, 0, 0, 0, 0, 0, 0, history_level($1, $2, 'PENDING', 'infinity'),
       history_level($1, $2, 'RUNNING', 'infinity'), '{}', '{}'
UNION ALL
SELECT 'left out', at, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, '{}', '{}'
FROM job_history
WHERE tenant_id = '' AND type = '' AND step = $3 AND at >= $4 AND at < $5
  AND left_out & CASE WHEN $1 = '' AND $2 = '' THEN 0 WHEN $1 = '' THEN 4 WHEN $2 = '' THEN 1 | 8
                      ELSE 2 | 8 END <> 0
