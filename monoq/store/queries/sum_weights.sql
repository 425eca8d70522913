-- The weights of all tenants of whom jobs wait or run, together, and how many jobs run; as of the
-- last fold.
WITH weights AS MATERIALIZED (
    SELECT name,
           CASE WHEN until IS NULL OR until > clock_timestamp() THEN value
                ELSE afterwards END AS weight
    FROM policies
    WHERE field = 'weight' AND scope <> 'type'
)
SELECT coalesce(
           sum(coalesce(own.weight, (SELECT weight FROM weights WHERE name = ''), 1)), 0
       )::float8 AS weight,
       coalesce(sum(running), 0)::bigint AS running
FROM tenant_counts LEFT JOIN weights AS own ON own.name = tenant_id
WHERE waiting > 0 OR running > 0
