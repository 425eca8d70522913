-- How many slots each tenant holds for jobs of the types $1, and for how long its jobs have run, in
-- the mean. Nothing, and little is read, if fewer than $2 jobs of these types run: then slots are
-- not what jobs wait for. Nor is it where all runs are short: slots are free again at once, turns
-- are shares, and a look at thousands of claimed jobs would cost a third of a core (PostgreSQL 15).
-- Runs are short if workers have seen those of every type end within $3 seconds, in the mean, and
-- of about 64 running jobs hardly any is older than 0.1 s: short runs of one tenant may hide the
-- long ones of another in the mean of a type. Of more than 20,000 jobs claimed lately it is a part.
WITH running AS MATERIALIZED (
    SELECT type, sum(jobs) AS jobs
    FROM (SELECT type, jobs FROM job_totals WHERE type = ANY ($1::text[]) AND status = 'RUNNING'
          UNION ALL
          SELECT type, jobs FROM job_count_changes
          WHERE type = ANY ($1::text[]) AND status = 'RUNNING') AS parts
    GROUP BY type
), seen AS MATERIALIZED (
    SELECT known.type, max(known.run_s) AS run_s
    FROM workers,
         unnest(loop_types || thread_types || child_types, workers.run_s) AS known (type, run_s)
    WHERE expires_at > now() AND NOT declared_lost
    GROUP BY known.type
)
SELECT tenant_id, count(*) AS held, avg(date_part('epoch', now() - started_at)) AS age_s
FROM jobs
WHERE (SELECT sum(jobs) FROM running) >= $2
  AND (EXISTS (SELECT FROM running LEFT JOIN seen ON seen.type = running.type
               WHERE running.jobs > 0 AND coalesce(seen.run_s, $3::float8) >= $3::float8)
       OR (SELECT count(*) >= 4 FROM jobs
           WHERE id = ANY (ARRAY(SELECT id
                                 FROM (SELECT unnest(ids) AS id FROM claims LIMIT 20000) AS claimed
                                 WHERE random() * (SELECT sum(jobs) FROM running) < 64))
             AND status = 'RUNNING' AND started_at < now() - interval '0.1 s'))
  AND id = ANY (ARRAY(SELECT unnest(ids) FROM claims LIMIT 20000)) AND status = 'RUNNING'
  AND type = ANY ($1::text[])
GROUP BY tenant_id
