-- What changed for the tenants $1 since the snapshot $2; the snapshot of this very read, and from where on changes are kept.
-- These two come back even with no rows. All of it comes from one statement: read apart, a commit in between would be seen by neither.
WITH seen AS (SELECT pg_current_snapshot() AS snapshot)
SELECT seen.snapshot::text, stream.kept_from, changed.*
FROM seen CROSS JOIN stream LEFT JOIN LATERAL (
    SELECT id, tenant_id, type, status::text, attempts, version, error, worker_id, updated_at
    FROM jobs
    WHERE id = ANY (ARRAY(
        SELECT unnest(ids)
        FROM job_changes
        WHERE job_changes.tenant_id = ANY ($1::text[])
          AND job_changes.changed_xid >= pg_snapshot_xmin($2::text::pg_snapshot)
          AND NOT pg_visible_in_snapshot(job_changes.changed_xid, $2::text::pg_snapshot)
    ))
) AS changed ON true
