-- A page of a tenant's jobs that ended badly, as of list_jobs.sql, with an error that begins with
-- $6: found by hopping over the texts that do, of which only the newest jobs are looked at: as many
-- of each, $8 in all. `texts`: how many there are, $9 at most; with as many, some may have been
-- missed.
WITH RECURSIVE texts AS (
    (SELECT error, 1 AS n FROM job_errors
     WHERE tenant_id = $1 AND error >= $6 AND error < $6 || chr(1114111) ORDER BY tenant_id, error
     LIMIT 1)
    UNION ALL
    SELECT next.error, n + 1
    FROM texts, LATERAL (
        SELECT error FROM job_errors
        WHERE tenant_id = $1 AND job_errors.error > texts.error
          AND job_errors.error < $6 || chr(1114111)
        ORDER BY tenant_id, error LIMIT 1
    ) AS next
    WHERE n < $9
), newest AS MATERIALIZED (
    SELECT ARRAY(
        SELECT id FROM job_errors
        WHERE (tenant_id, job_errors.error, id)
              < ($1, texts.error, coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
          AND (tenant_id, job_errors.error, id)
              >= ($1, texts.error, coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'))
        ORDER BY tenant_id DESC, error DESC, id DESC
        LIMIT (SELECT greatest($8 / count(*), 2) FROM texts)
    ) AS ids
    FROM texts
), looked AS MATERIALIZED (
    SELECT ARRAY(SELECT unnest(ids) FROM newest) AS ids,
           -- Of a text that has more, nothing is known from its last one on.
           (SELECT ids[cardinality(ids)] FROM newest
            WHERE cardinality(ids) = (SELECT greatest($8 / count(*), 2) FROM texts)
            ORDER BY 1 DESC LIMIT 1) AS reached
)
SELECT looked.reached, (SELECT count(*) FROM texts) AS texts, listed.*
FROM looked
LEFT JOIN LATERAL (
    SELECT id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at,
           error, version, worker_id,
           created_at, updated_at, started_at, finished_at, tags
    FROM jobs
    WHERE id = ANY (looked.ids) AND (looked.reached IS NULL OR id >= looked.reached)
      AND ($2::job_status IS NULL OR status = $2)
      AND ($3::text IS NULL OR type = $3)
    ORDER BY id DESC
    LIMIT $7
) AS listed ON true
ORDER BY listed.id DESC
