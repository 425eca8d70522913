-- What a worker that starts says of its types: names $1 with their schemas $2. In order, so that
-- workers which start at once do not lock one another out.
INSERT INTO job_types (name, schema)
SELECT name, schema::jsonb FROM unnest($1::text[], $2::text[]) AS said (name, schema) ORDER BY name
ON CONFLICT (name) DO UPDATE
SET schema = excluded.schema, seen_at = now(),
    changed_at = CASE WHEN job_types.schema = excluded.schema THEN job_types.changed_at
                      ELSE clock_timestamp() END
