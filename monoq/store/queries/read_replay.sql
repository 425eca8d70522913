-- A page of what changed for tenant $1, up to $5 jobs after job $3 of transaction $2, below
-- transaction $4; and the floor of this very snapshot, which comes back even with no rows: below it
-- changes may be gone, or jobs.
SELECT greatest(stream.floor, stream.kept_from) AS floor, changed.*
FROM stream LEFT JOIN LATERAL (
    SELECT id, tenant_id, type, status::text, attempts, version, error, worker_id, updated_at,
           changed_xid
    FROM jobs
    WHERE id = ANY (ARRAY(
        SELECT unnest(ids)
        FROM job_changes
        WHERE job_changes.tenant_id = $1 AND job_changes.changed_xid >= $2::xid8
          AND job_changes.changed_xid < $4::xid8
    ))
      AND (changed_xid, id) > ($2::xid8, $3::uuid) AND changed_xid < $4::xid8
    ORDER BY changed_xid, id
    LIMIT $5
) AS changed ON true
ORDER BY changed.changed_xid, changed.id
