-- Which limits of tenant $1 and of type $2 let nothing start now, the first reason first: whose
-- value it is ('default': the tenant has none of its own), the value, until when it holds, how many
-- run, and when a rate lets the next one start.
WITH held AS MATERIALIZED (
    SELECT * FROM limit_rooms(ARRAY[$1::text], ARRAY[$2::text]) WHERE room = 0
)
SELECT held.scope::text, held.name, held.held_by, held.next_start_at, limits.scope::text AS whose,
       limits.value, limits.until,
       CASE WHEN held.held_by <> 'maxRunning' THEN NULL
            WHEN held.scope = 'tenant' THEN
                (SELECT coalesce(sum(jobs), 0)::bigint
                 FROM (SELECT jobs FROM job_counts
                       WHERE tenant_id = held.name AND status = 'RUNNING'
                       UNION ALL
                       SELECT jobs FROM job_count_changes
                       WHERE tenant_id = held.name AND status = 'RUNNING') AS parts)
            ELSE
                (SELECT coalesce(sum(jobs), 0)::bigint
                 FROM (SELECT jobs FROM job_totals WHERE type = held.name AND status = 'RUNNING'
                       UNION ALL
                       SELECT jobs FROM job_count_changes
                       WHERE type = held.name AND status = 'RUNNING') AS parts)
       END AS running
FROM held LEFT JOIN LATERAL (
    SELECT scope, value, until
    FROM (SELECT policies.scope,
                 CASE WHEN until IS NULL OR until > clock_timestamp() THEN policies.value
                      ELSE afterwards END AS value,
                 CASE WHEN until > clock_timestamp() THEN until END AS until
          FROM policies
          WHERE field = CASE held.held_by WHEN 'maxRunning' THEN 'max_running' ELSE held.held_by END
            AND ((policies.scope, policies.name) = (held.scope, held.name)
                 OR held.scope = 'tenant' AND policies.scope = 'default'
                 AND policies.name = '')) AS said
    WHERE value IS NOT NULL
    ORDER BY scope = 'default'
    LIMIT 1
) AS limits ON true
ORDER BY array_position(ARRAY['paused', 'maxRunning', 'rate'], held.held_by), held.scope
