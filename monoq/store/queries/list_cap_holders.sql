-- Up to $3 jobs that run, of tenant $1 or of type $2 (NULL: of any). Among the $4 that workers took
-- last, so that it takes no longer the more run. Two steps: with both conditions at once the
-- planner might walk over all jobs of the tenant.
WITH running AS MATERIALIZED (
    SELECT id, tenant_id, type
    FROM jobs
    WHERE id = ANY (ARRAY(SELECT unnest(ids)
                          FROM (SELECT ids FROM claims ORDER BY xid DESC LIMIT $4) AS latest
                          LIMIT $4))
      AND status = 'RUNNING'
)
SELECT id FROM running
WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR type = $2)
ORDER BY id
LIMIT $3
