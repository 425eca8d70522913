-- A new worker row for this start of the process; its id is never used again.
INSERT INTO workers (name, slots, types, expires_at)
VALUES ($1, $2, $3::text[], now() + $4 * interval '1 s')
RETURNING id
