-- How many jobs of each type $1 are due; it counts no further than $2 of each.
SELECT kinds.type, count(*) AS due
FROM unnest($1::text[]) AS kinds (type), LATERAL (
    SELECT
    FROM unnest(ARRAY[false, true]) AS either (suspect), LATERAL (
        SELECT FROM waiting_jobs
        WHERE waiting_jobs.suspect = either.suspect AND waiting_jobs.type = kinds.type LIMIT $2
    ) AS found
    LIMIT $2
) AS counted
GROUP BY kinds.type
