-- The breakers of live workers, first those that are not closed, the newest first.
SELECT endpoint, state, since, reason, next_probe_at, worker_id
FROM breakers JOIN workers ON workers.id = breakers.worker_id
WHERE workers.expires_at > now() AND NOT workers.declared_lost
ORDER BY state = 'closed', since DESC, endpoint, worker_id
LIMIT $1
