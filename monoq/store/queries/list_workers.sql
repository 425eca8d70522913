-- The workers whose lease is valid.
SELECT id, name, slots, types, started_at, beat_at FROM workers WHERE expires_at > now() ORDER BY id
