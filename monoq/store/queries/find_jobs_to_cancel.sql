-- Up to $8 jobs that wait or run and match, the next ones behind the id $9, in the order of ids;
-- and how far it looked: `reached`, NULL if nothing is left. $1 to $7, the filter: statuses,
-- tenant, type, what the error begins with, created from and before when, and when the operation
-- began.
-- It looks at $10 ids of each table at most, by its primary key, so it costs the same however many
-- jobs there are and whatever the filter is.
-- One snapshot: wherever a job is among these tables, and however it moves between two looks, it is
-- met when the cursor passes its id.
WITH waiting AS MATERIALIZED (
    SELECT id, tenant_id, type FROM waiting_jobs
    WHERE 'PENDING' = ANY ($1::text[]) AND id > $9::uuid ORDER BY id LIMIT $10
), delayed AS MATERIALIZED (
    SELECT id, tenant_id, type FROM delayed_jobs
    WHERE 'PENDING' = ANY ($1::text[]) AND id > $9::uuid ORDER BY id LIMIT $10
), keyed AS MATERIALIZED ( -- behind another job with their key
    SELECT id, tenant_id, type FROM keyed_jobs WHERE 'PENDING' = ANY ($1::text[]) AND id > $9::uuid
    ORDER BY id LIMIT $10
), running AS MATERIALIZED (
    SELECT claimed.id
    FROM claims, unnest(ids) AS claimed (id)
    WHERE 'RUNNING' = ANY ($1::text[]) AND claimed.id > $9::uuid
    ORDER BY claimed.id
    LIMIT $10
), reach AS MATERIALIZED (
    SELECT least((SELECT id FROM waiting ORDER BY id OFFSET $10::bigint - 1),
                 (SELECT id FROM delayed ORDER BY id OFFSET $10::bigint - 1),
                 (SELECT id FROM keyed ORDER BY id OFFSET $10::bigint - 1),
                 (SELECT id FROM running ORDER BY id OFFSET $10::bigint - 1)) AS id
), looked_at AS MATERIALIZED (
    SELECT ARRAY(
        SELECT found.id
        FROM (SELECT id, tenant_id, type FROM waiting
              UNION ALL SELECT id, tenant_id, type FROM delayed
              UNION ALL SELECT id, tenant_id, type FROM keyed
              UNION ALL SELECT id, NULL, NULL FROM running) AS found, reach
        WHERE (reach.id IS NULL OR found.id <= reach.id)
          AND ($2::text IS NULL OR coalesce(found.tenant_id, $2) = $2)
          AND ($3::text IS NULL OR coalesce(found.type, $3) = $3)
    ) AS ids
), matching AS MATERIALIZED (
    SELECT ARRAY(
        SELECT id
        FROM jobs
        WHERE id = ANY ((SELECT ids FROM looked_at)::uuid[])
          AND status = ANY ($1::text[]::job_status[])
          AND ($2::text IS NULL OR tenant_id = $2) AND ($3::text IS NULL OR type = $3)
          AND ($4::text IS NULL OR starts_with(error, $4))
          AND ($5::timestamptz IS NULL OR created_at >= $5)
          AND ($6::timestamptz IS NULL OR created_at < $6)
          AND created_at <= $7::timestamptz
        ORDER BY id
        LIMIT $8
    ) AS ids
)
SELECT ids, NULL::text AS reached_tenant, coalesce(ids[$8::int], (SELECT id FROM reach)) AS reached
FROM matching
