-- Jobs per status of one tenant ($1), or of the first $3 tenants after $2 ($1 is NULL): the totals and what has not been folded in yet.
WITH RECURSIVE counted AS (
    (SELECT tenant_id, 1 AS n FROM job_counts WHERE $1::text IS NULL AND tenant_id > $2 ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT next.tenant_id, n + 1
    FROM counted, LATERAL (
        SELECT tenant_id FROM job_counts WHERE job_counts.tenant_id > counted.tenant_id ORDER BY tenant_id LIMIT 1
    ) AS next
    WHERE n < $3
), page AS MATERIALIZED (
    SELECT ARRAY(
        SELECT tenant_id FROM counted
        UNION
        SELECT tenant_id FROM job_count_changes WHERE $1::text IS NULL AND tenant_id > $2
        UNION
        SELECT $1 WHERE $1::text IS NOT NULL
        ORDER BY tenant_id
        LIMIT $3
    ) AS tenants
)
SELECT tenant_id, status::text, sum(jobs)::bigint AS jobs
FROM (SELECT tenant_id, status, jobs FROM job_counts WHERE tenant_id = ANY ((SELECT tenants FROM page)::text[])
      UNION ALL
      SELECT tenant_id, status, jobs FROM job_count_changes WHERE tenant_id = ANY ((SELECT tenants FROM page)::text[])) AS parts
GROUP BY 1, 2
ORDER BY 1, 2
