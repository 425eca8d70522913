-- What changed for the tenants $1 since the snapshot $2, and the snapshot of this very read, which comes back even with no rows.
-- Rows and snapshot come from one statement: read apart, a commit between the two would be seen by neither.
WITH seen AS (SELECT pg_current_snapshot() AS snapshot)
SELECT seen.snapshot::text, changed.*
FROM seen LEFT JOIN LATERAL (
    SELECT id, tenant_id, type, status::text, attempts, version, error, worker_id, updated_at
    FROM jobs
    WHERE tenant_id = ANY ($1::text[])
      AND changed_xid >= pg_snapshot_xmin($2::text::pg_snapshot)
      AND NOT pg_visible_in_snapshot(changed_xid, $2::text::pg_snapshot)
) AS changed ON true
