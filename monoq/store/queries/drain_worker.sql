-- Sets whether worker $1 drains ($2), if its lease is valid. The same value again changes nothing.
UPDATE workers SET draining = $2
WHERE id = $1 AND expires_at > now() AND NOT declared_lost
RETURNING id, name, version, slots, threads, children, loop_types, thread_types, child_types,
          hung_handlers, draining, started_at, beat_at,
          date_part('epoch', now() - beat_at) AS silent_s
