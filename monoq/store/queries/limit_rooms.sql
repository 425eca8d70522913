-- How many jobs of these tenants ($1) and types ($2) may start now, a row for each that has a
-- limit. A hint: the claim decides.
SELECT scope::text, name, room, held_by, next_start_at, rate
FROM limit_rooms($1::text[], $2::text[])
