-- A page of a tenant's jobs that wait, as of list_jobs.sql: due ones, found by hopping over the
-- types in the index waiting_jobs_next, and delayed ones, and those behind another job of their
-- key.
WITH RECURSIVE kinds AS (
    (SELECT suspect, type FROM waiting_jobs ORDER BY suspect, type LIMIT 1)
    UNION ALL
    SELECT next.*
    FROM kinds, LATERAL (
        SELECT suspect, type FROM waiting_jobs
        WHERE (waiting_jobs.suspect, waiting_jobs.type) > (kinds.suspect, kinds.type)
        ORDER BY suspect, type LIMIT 1
    ) AS next
)
SELECT id, tenant_id, type, status::text, attempts, crashes, max_attempts, priority, run_at, error,
       version, worker_id,
       created_at, updated_at, started_at, finished_at, tags
FROM jobs
WHERE id = ANY (ARRAY(
    SELECT due.id
    FROM kinds, LATERAL (
        SELECT id FROM waiting_jobs
        WHERE waiting_jobs.suspect = kinds.suspect AND waiting_jobs.type = kinds.type
          AND waiting_jobs.tenant_id = $1
          AND ($3::uuid IS NULL OR waiting_jobs.id < $3)
          AND ($4::uuid IS NULL OR waiting_jobs.id >= $4)
        ORDER BY waiting_jobs.id DESC
        LIMIT $5
    ) AS due
    WHERE $2::text IS NULL OR kinds.type = $2
) || ARRAY(
    SELECT keyed_jobs.id
    FROM keyed_jobs
    WHERE keyed_jobs.tenant_id = $1
      AND ($2::text IS NULL OR keyed_jobs.type = $2)
      AND ($3::uuid IS NULL OR keyed_jobs.id < $3) AND ($4::uuid IS NULL OR keyed_jobs.id >= $4)
    ORDER BY keyed_jobs.id DESC
    LIMIT $5
) || ARRAY(
    SELECT delayed_jobs.id
    FROM delayed_jobs
    WHERE delayed_jobs.tenant_id = $1
      AND ($2::text IS NULL OR delayed_jobs.type = $2)
      AND ($3::uuid IS NULL OR delayed_jobs.id < $3) AND ($4::uuid IS NULL OR delayed_jobs.id >= $4)
    ORDER BY delayed_jobs.id DESC
    LIMIT $5
))
ORDER BY id DESC
LIMIT $5
