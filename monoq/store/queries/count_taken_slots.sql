-- How many jobs of each worker of $1, tenant and type run, among the $2 that these workers took
-- last. `looked_at`: $2 means that there may be more.
WITH looked_at AS MATERIALIZED (
    SELECT ARRAY(
        SELECT unnest(ids)
        FROM (SELECT ids FROM claims WHERE worker_id = ANY ($1::bigint[]) ORDER BY xid DESC
              LIMIT $2) AS latest
        LIMIT $2
    ) AS ids
)
SELECT worker_id, tenant_id::text, type::text, crashes + deaths > 0 AS suspect, count(*) AS jobs,
       (SELECT cardinality(ids) FROM looked_at) AS looked_at
FROM jobs
WHERE id = ANY ((SELECT ids FROM looked_at)::uuid[]) AND status = 'RUNNING'
GROUP BY 1, 2, 3, 4
