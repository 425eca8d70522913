-- The schemas of the types $1, with their times.
SELECT name, schema, changed_at FROM job_types WHERE name = ANY ($1::text[])
