-- The claim while policies limit somebody: the arguments and columns of claim_jobs.sql. The
-- function is in migrations/0001_schema.sql, since it takes several statements, and a round trip
-- for each would cost more.
SELECT * FROM claim_gated_jobs($1::uuid[], $2, $3::text[], $4::int[], $5, $6)
