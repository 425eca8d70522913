-- Forgets operations that ended more than $1 seconds ago.
DELETE FROM operations WHERE finished_at < now() - $1 * interval '1 s'
