-- The first $6 tenants by what waits ($1 is 'backlog') or runs, behind the place ($4, $5) in this
-- order, whose name is from $2 on and below $3; and their `place`. $7 is 1, or -1: the greatest
-- first. As of the last fold: it reads a narrow row a tenant, and no job.
SELECT tenant_id, place
FROM (SELECT tenant_id, CASE $1 WHEN 'backlog' THEN waiting ELSE running END * $7::int AS place
      FROM tenant_counts
      WHERE tenant_id >= $2 AND tenant_id < $3) AS placed
WHERE $4::bigint IS NULL OR (place, tenant_id) > ($4, $5::text)
ORDER BY place, tenant_id
LIMIT $6
