-- A page of a tenant's jobs that ended badly, as of list_jobs.sql: of its newest $7, those with the
-- status $2 and of type $3. Rows between two rows, and in order: else the planner may walk the
-- primary key, over all tenants, or sort all that ended badly.
WITH looked AS MATERIALIZED (
    SELECT ARRAY(
        SELECT id FROM jobs
        WHERE ended_badly -- names the condition of jobs_ended_badly
          AND (tenant_id, id) < ($1, coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
          AND (tenant_id, id) >= ($1, coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'))
        ORDER BY tenant_id DESC, id DESC
        LIMIT $7
    ) AS ids
)
SELECT looked.ids[$7::int] AS reached, listed.*
FROM looked
LEFT JOIN LATERAL (
    SELECT id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at,
           error, version, worker_id,
           created_at, updated_at, started_at, finished_at, tags
    FROM jobs
    WHERE id = ANY (looked.ids)
      AND ($2::job_status IS NULL OR status = $2)
      AND ($3::text IS NULL OR type = $3)
    ORDER BY id DESC
    LIMIT $6
) AS listed ON true
ORDER BY listed.id DESC
