-- Removes up to $1 rows of changes that nobody can ask for: too old to be kept, or of transactions
-- that are still to come, which a restored dump brought: those would be in every read. By tenant,
-- over the index: a tenant costs two look-ups. Returns how many there were.
WITH RECURSIVE tenants AS (
    (SELECT tenant_id FROM job_changes ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT job_changes.tenant_id FROM job_changes
            WHERE job_changes.tenant_id > tenants.tenant_id
            ORDER BY job_changes.tenant_id LIMIT 1)
    FROM tenants
    WHERE tenants.tenant_id IS NOT NULL
), useless AS (
    SELECT found.place
    FROM tenants CROSS JOIN stream CROSS JOIN LATERAL (
        (SELECT ctid AS place FROM job_changes
         WHERE job_changes.tenant_id = tenants.tenant_id AND changed_xid < stream.kept_from
         LIMIT $1)
        UNION ALL
        (SELECT ctid FROM job_changes
         WHERE job_changes.tenant_id = tenants.tenant_id
           AND changed_xid >= pg_snapshot_xmax(pg_current_snapshot())
         LIMIT $1)
    ) AS found
    WHERE stream.kept_from <= pg_snapshot_xmax(pg_current_snapshot()) -- else see begin_stream.sql
    LIMIT $1
), pruned AS (
    -- Rows never change, so a place is a row for as long as this snapshot lives.
    DELETE FROM job_changes WHERE ctid = ANY (ARRAY(SELECT place FROM useless)) RETURNING 1
)
SELECT count(*) FROM pruned
