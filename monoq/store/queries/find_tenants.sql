-- The first $2 tenants after $1, by name, whose names begin with $3. By hopping over the key of job_counts: one look-up finds the next.
WITH RECURSIVE counted AS (
    SELECT *
    FROM (SELECT tenant_id, 1 AS n FROM job_counts WHERE tenant_id > $1 AND tenant_id >= $3 ORDER BY tenant_id LIMIT 1) AS first
    WHERE starts_with(tenant_id, $3)
    UNION ALL
    SELECT next.tenant_id, n + 1
    FROM counted, LATERAL (
        SELECT tenant_id FROM job_counts WHERE job_counts.tenant_id > counted.tenant_id ORDER BY tenant_id LIMIT 1
    ) AS next
    WHERE n < $2 AND starts_with(next.tenant_id, $3)
)
SELECT tenant_id FROM counted
UNION
SELECT tenant_id FROM job_count_changes WHERE tenant_id > $1 AND starts_with(tenant_id, $3)
ORDER BY tenant_id
LIMIT $2
