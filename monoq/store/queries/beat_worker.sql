-- Renews the lease, even one that has run out, as long as nobody has declared the worker lost. No
-- row back: its jobs are somebody else's, and it must start anew. $4: the mean seconds of its runs,
-- by type.
UPDATE workers
SET beat_at = now(), expires_at = now() + $2 * interval '1 s', hung_handlers = $3,
    run_s = $4::float8[]
WHERE id = $1 AND NOT declared_lost
RETURNING id, draining
