-- How many slots each tenant holds for jobs of the types $1, and for how long its jobs have run, in the mean. Nothing, and little is read, if fewer
-- than $2 jobs of these types run: then slots are not what jobs wait for. Of more than 20,000 jobs claimed lately it is a part.
WITH running AS MATERIALIZED (
    SELECT coalesce(sum(jobs), 0) AS jobs
    FROM (SELECT jobs FROM job_totals WHERE type = ANY ($1::text[]) AND status = 'RUNNING'
          UNION ALL
          SELECT jobs FROM job_count_changes WHERE type = ANY ($1::text[]) AND status = 'RUNNING') AS parts
)
SELECT tenant_id, count(*) AS held, avg(date_part('epoch', now() - started_at)) AS age_s
FROM jobs
WHERE (SELECT jobs FROM running) >= $2
  AND id = ANY (ARRAY(SELECT unnest(ids) FROM claims LIMIT 20000)) AND status = 'RUNNING' AND type = ANY ($1::text[])
GROUP BY tenant_id
