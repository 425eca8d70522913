-- Who is told of the ends of a worker's types $1: the URLs $2, NULL for a type without one. In
-- order, so that workers which start at once do not lock one another out.
WITH known AS MATERIALIZED (
    SELECT type FROM type_callbacks WHERE type = ANY ($1::text[]) ORDER BY type FOR UPDATE
), said AS (
    SELECT type, url FROM unnest($1::text[], $2::text[]) AS said (type, url)
    WHERE (SELECT count(*) FROM known) >= 0 -- after it
), gone AS (
    DELETE FROM type_callbacks WHERE type IN (SELECT type FROM said WHERE url IS NULL)
)
INSERT INTO type_callbacks (type, url)
SELECT type, url FROM said WHERE url IS NOT NULL ORDER BY type
ON CONFLICT (type) DO UPDATE SET url = excluded.url WHERE type_callbacks.url <> excluded.url
