-- The processes behind the valid leases of one host.
SELECT id, pid, pid_started FROM workers WHERE host = $1 AND expires_at > now()
