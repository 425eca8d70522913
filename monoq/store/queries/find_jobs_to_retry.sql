-- Up to $8 jobs that ended badly and match, the next ones behind the id $9 of the tenant $11, by
-- tenant and id; and how far it looked:
-- `reached_tenant` and `reached`, NULL if nothing is left. $1 to $7 are those of
-- find_jobs_to_cancel.sql. A job that has ended since the operation began is no part of it: one
-- that was retried and fails again is not retried in a circle.
-- It looks at $10 jobs at most, by the index jobs_ended_badly, so it costs the same however many
-- jobs there are and whatever the filter is.
WITH looked_at AS MATERIALIZED (
    SELECT id, tenant_id, type, status, error, created_at, finished_at
    FROM jobs
    WHERE ended_badly -- names the condition of jobs_ended_badly
      AND (tenant_id, id) > ($11::text, $9::uuid)
      AND tenant_id <= coalesce($2::text, '~') -- '~' is above all names
    ORDER BY tenant_id, id
    LIMIT $10
), matching AS MATERIALIZED (
    SELECT id, tenant_id
    FROM looked_at
    WHERE status = ANY ($1::text[]::job_status[])
      AND ($2::text IS NULL OR tenant_id = $2) AND ($3::text IS NULL OR type = $3)
      AND ($4::text IS NULL OR starts_with(error, $4))
      AND ($5::timestamptz IS NULL OR created_at >= $5)
      AND ($6::timestamptz IS NULL OR created_at < $6)
      AND finished_at <= $7::timestamptz
    ORDER BY tenant_id, id
    LIMIT $8
), reach AS (
    (SELECT tenant_id, id FROM matching ORDER BY tenant_id, id OFFSET $8::bigint - 1)
    UNION ALL
    (SELECT tenant_id, id FROM looked_at ORDER BY tenant_id, id OFFSET $10::bigint - 1)
    LIMIT 1
)
SELECT ARRAY(SELECT id FROM matching ORDER BY tenant_id, id) AS ids,
       (SELECT tenant_id::text FROM reach) AS reached_tenant,
       (SELECT id FROM reach) AS reached
