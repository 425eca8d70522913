-- A page of a tenant's jobs, as of list_jobs.sql, with the tag $6 ("name:value"): of its newest $8,
-- those with the status $2, of type $3, with all the tags $9 and with an error that begins with
-- $10.
WITH looked AS MATERIALIZED (
    SELECT ARRAY(
        SELECT id FROM job_tags
        WHERE (tenant_id, tag, id)
              < ($1, $6, coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
          AND (tenant_id, tag, id)
              >= ($1, $6, coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'))
        ORDER BY tenant_id DESC, tag DESC, id DESC
        LIMIT $8
    ) AS ids
)
SELECT looked.ids[$8::int] AS reached, listed.*
FROM looked
LEFT JOIN LATERAL (
    SELECT id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at,
           error, version, worker_id,
           created_at, updated_at, started_at, finished_at, tags
    FROM jobs
    WHERE id = ANY (looked.ids)
      AND ($2::job_status IS NULL OR status = $2)
      AND ($3::text IS NULL OR type = $3)
      AND tags @> $9::jsonb
      AND ($10::text IS NULL OR ended_badly AND starts_with(error, $10))
    ORDER BY id DESC
    LIMIT $7
) AS listed ON true
ORDER BY listed.id DESC
