-- A page of a tenant's jobs of any status: newest first (ids are version 7, so their order is the
-- order of creation), below the id $4, from $5 on, of type $3 if there is one.
-- The index has them by type: they are merged. Types are found by hopping; only the $7 types with
-- the newest jobs can have one of the $7 newest. The status is looked at last, in these $7 jobs:
-- those that ended well may be few among millions that wait. A type is asked for between itself
-- and itself, and in order: else the planner may walk the primary key, over all tenants.
-- `reached`: from where to look on, NULL if there is nothing. A row without id tells only that.
WITH RECURSIVE types AS (
    SELECT coalesce($3, (
        SELECT jobs.type::text FROM jobs
        WHERE jobs.tenant_id = $1
        ORDER BY jobs.type
        LIMIT 1
    )) COLLATE "C" AS type
    UNION ALL
    SELECT (
        SELECT jobs.type::text FROM jobs
        WHERE jobs.tenant_id = $1 AND jobs.type > types.type
        ORDER BY jobs.type
        LIMIT 1
    ) COLLATE "C"
    FROM types
    WHERE types.type IS NOT NULL AND $3 IS NULL
), heads AS (
    SELECT types.type
    FROM types
    CROSS JOIN LATERAL (
        SELECT jobs.id FROM jobs
        WHERE jobs.tenant_id = $1 AND jobs.type BETWEEN types.type AND types.type
          AND ($4::uuid IS NULL OR jobs.id < $4) AND ($5::uuid IS NULL OR jobs.id >= $5)
        ORDER BY jobs.type DESC, jobs.id DESC
        LIMIT 1
    ) AS newest
    ORDER BY newest.id DESC
    LIMIT $7
), looked AS MATERIALIZED (
    SELECT ARRAY(
        SELECT page.id
        FROM heads
        CROSS JOIN LATERAL (
            SELECT jobs.id FROM jobs
            WHERE jobs.tenant_id = $1 AND jobs.type BETWEEN heads.type AND heads.type
              AND ($4::uuid IS NULL OR jobs.id < $4) AND ($5::uuid IS NULL OR jobs.id >= $5)
            ORDER BY jobs.type DESC, jobs.id DESC
            LIMIT $7
        ) AS page
        ORDER BY page.id DESC
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
    WHERE id = ANY (looked.ids) AND ($2::job_status IS NULL OR status = $2)
    ORDER BY id DESC
    LIMIT $6
) AS listed ON true
ORDER BY listed.id DESC
