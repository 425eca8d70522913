-- How many due jobs of tenant $1 stand before the job of priority $4, time $5 and id $6, among
-- those of types $2 that are suspects or not ($3); it counts no further than $7.
SELECT count(*) AS ahead
FROM (SELECT
      FROM unnest($2::text[]) AS kinds (type), LATERAL (
          SELECT FROM waiting_jobs
          WHERE waiting_jobs.suspect = $3 AND waiting_jobs.type = kinds.type
            AND waiting_jobs.tenant_id = $1
            AND (waiting_jobs.priority, waiting_jobs.run_at, waiting_jobs.id)
                < ($4::smallint, $5::timestamptz, $6::uuid)
          LIMIT $7
      ) AS before
      LIMIT $7) AS counted
