-- Types that no worker has named for $1 seconds are types no more, and their ends tell nobody.
WITH forgotten AS (
    DELETE FROM job_types WHERE seen_at < now() - $1 * interval '1 s' RETURNING name
)
DELETE FROM type_callbacks WHERE type IN (SELECT name FROM forgotten)
