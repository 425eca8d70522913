-- Stamps up to $1 jobs as changed now whose stamp no transaction here has reached yet: they come from a restored dump, and would
-- come back in every read of what changed. By tenant, over the index: a tenant costs one look-up. Returns how many there were.
WITH RECURSIVE tenants AS (
    (SELECT tenant_id::text FROM jobs ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.tenant_id::text FROM jobs WHERE jobs.tenant_id > tenants.tenant_id ORDER BY jobs.tenant_id LIMIT 1)
    FROM tenants
    WHERE tenants.tenant_id IS NOT NULL
),
ahead AS (
    SELECT job.id
    FROM tenants CROSS JOIN LATERAL (
        SELECT id
        FROM jobs
        WHERE jobs.tenant_id = tenants.tenant_id AND changed_xid >= pg_snapshot_xmax(pg_current_snapshot())
        LIMIT $1
    ) AS job
    LIMIT $1
),
locked AS (
    SELECT id FROM jobs WHERE id IN (SELECT id FROM ahead) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
),
restamped AS (
    UPDATE jobs SET changed_xid = pg_current_xact_id() FROM locked WHERE jobs.id = locked.id RETURNING jobs.id
)
SELECT count(*) FROM restamped
