-- What changed for the tenants $1 since the snapshot $2; the snapshot of this very read, from where
-- on changes and the jobs that changed are kept, and the tenants that had more than $3 changes, of
-- which nothing is read. The latter three come back even with no rows.
-- All of it comes from one statement: read apart, a commit in between would be seen by neither.
WITH seen AS (
    SELECT pg_current_snapshot() AS snapshot
), changes AS MATERIALIZED (
    SELECT tenant_id, ids
    FROM job_changes
    WHERE tenant_id = ANY ($1::text[])
      AND changed_xid >= pg_snapshot_xmin($2::text::pg_snapshot)
      AND NOT pg_visible_in_snapshot(changed_xid, $2::text::pg_snapshot)
), too_many AS MATERIALIZED (
    SELECT tenant_id FROM changes GROUP BY tenant_id HAVING sum(cardinality(ids)) > $3
)
SELECT seen.snapshot::text, greatest(stream.floor, stream.kept_from) AS kept_from,
       ARRAY(SELECT tenant_id FROM too_many) AS too_many, changed.*
FROM seen CROSS JOIN stream LEFT JOIN LATERAL (
    SELECT id, tenant_id, type, status::text, attempts, version, error, worker_id, updated_at
    FROM jobs
    WHERE id = ANY (ARRAY(SELECT unnest(ids) FROM changes
                          WHERE tenant_id NOT IN (SELECT tenant_id FROM too_many)))
) AS changed ON true
