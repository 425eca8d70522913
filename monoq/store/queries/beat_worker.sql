-- Renews the lease. No row back: the lease ran out and the jobs are somebody else's; this worker must start anew.
UPDATE workers SET beat_at = now(), expires_at = now() + $2 * interval '1 s'
WHERE id = $1 AND expires_at > now()
RETURNING id
