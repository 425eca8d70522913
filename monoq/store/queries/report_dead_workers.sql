-- Ends the leases of workers $1, whose processes are proved to be gone.
UPDATE workers SET expires_at = now() WHERE id = ANY ($1::bigint[]) AND expires_at > now()
RETURNING id
