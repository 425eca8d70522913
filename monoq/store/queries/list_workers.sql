-- The workers whose lease is valid.
SELECT id, name, version, slots, threads, children, loop_types, thread_types, child_types,
       hung_handlers, started_at, beat_at,
       date_part('epoch', now() - beat_at) AS silent_s
FROM workers WHERE expires_at > now() AND NOT declared_lost AND NOT draining ORDER BY id
