-- A page of what changed for tenant $1, up to $5 jobs after job $3 of transaction $2, below transaction $4; and the floor of this very
-- snapshot, which comes back even with no rows: of changes below it jobs may have been deleted.
SELECT stream.floor, changed.*
FROM stream LEFT JOIN LATERAL (
    SELECT id, tenant_id, type, status::text, attempts, version, error, worker_id, updated_at, changed_xid
    FROM jobs
    WHERE tenant_id = $1 AND (changed_xid, id) > ($2::xid8, $3::uuid) AND changed_xid < $4::xid8
    ORDER BY changed_xid, id
    LIMIT $5
) AS changed ON true
ORDER BY changed.changed_xid, changed.id
