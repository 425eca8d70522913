-- The types $1 are still run by somebody.
UPDATE job_types SET seen_at = now() WHERE name = ANY ($1::text[])
