-- Makes $2 to $6 the breakers of worker $1, a row each; times are ages and distances, for Postgres'
-- clock is the only one that counts.
-- And removes those of workers that are gone.
WITH shown AS MATERIALIZED (
    SELECT *
    FROM unnest($2::text[], $3::text[], $4::float8[], $5::text[], $6::float8[])
         AS shown (endpoint, state, since_s, reason, probe_in_s)
), removed AS (
    DELETE FROM breakers
    WHERE worker_id = $1 AND endpoint NOT IN (SELECT endpoint FROM shown)
       OR worker_id <> $1 AND NOT EXISTS (SELECT FROM workers WHERE workers.id = breakers.worker_id)
)
INSERT INTO breakers AS kept (endpoint, worker_id, state, since, reason, next_probe_at)
SELECT endpoint, $1, state, now() - since_s * interval '1 s', reason,
       CASE WHEN state <> 'closed' THEN now() + probe_in_s * interval '1 s' END
FROM shown
ON CONFLICT (endpoint, worker_id) DO UPDATE
SET state = excluded.state, since = excluded.since, reason = excluded.reason,
    next_probe_at = excluded.next_probe_at
