-- Where the counts, which limits look at, are not what `jobs` says: nowhere, or something has
-- written past the triggers. One statement, so one snapshot: what moves meanwhile is no drift. It
-- reads the whole table. At most $1 rows; `tenant_id` is NULL for the totals of a type.
WITH truth AS MATERIALIZED (
    SELECT tenant_id::text COLLATE "C" AS tenant_id, type::text COLLATE "C" AS type, status,
           count(*) AS jobs
    FROM jobs GROUP BY 1, 2, 3
), counted AS (
    SELECT tenant_id::text COLLATE "C" AS tenant_id, type::text COLLATE "C" AS type, status,
           sum(jobs) AS jobs
    FROM (SELECT tenant_id, type, status, jobs FROM job_counts
          UNION ALL SELECT tenant_id, type, status, jobs FROM job_count_changes) AS parts
    GROUP BY 1, 2, 3
), of_types AS (
    SELECT type, status, sum(jobs) AS jobs FROM truth GROUP BY 1, 2
), totals AS (
    SELECT type::text COLLATE "C" AS type, status, sum(jobs) AS jobs
    FROM (SELECT type, status, jobs FROM job_totals
          UNION ALL SELECT type, status, jobs FROM job_count_changes) AS parts
    GROUP BY 1, 2
)
SELECT tenant_id, type, status::text, coalesce(counted.jobs, 0)::bigint AS counted,
       coalesce(truth.jobs, 0)::bigint AS jobs
FROM truth FULL JOIN counted USING (tenant_id, type, status)
WHERE coalesce(counted.jobs, 0) <> coalesce(truth.jobs, 0)
UNION ALL
SELECT NULL, type, status::text, coalesce(totals.jobs, 0)::bigint,
       coalesce(of_types.jobs, 0)::bigint
FROM of_types FULL JOIN totals USING (type, status)
WHERE coalesce(totals.jobs, 0) <> coalesce(of_types.jobs, 0)
ORDER BY 1, 2, 3
LIMIT $1
