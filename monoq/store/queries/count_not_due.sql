-- How many jobs wait for their time to come; it counts no further than $1. And when this is, by
-- Postgres' clock.
SELECT count(*) AS jobs, date_part('epoch', now()) AS at
FROM (SELECT FROM delayed_jobs WHERE run_at > now() LIMIT $1) AS later
