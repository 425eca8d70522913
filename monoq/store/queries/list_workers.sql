-- The workers that take jobs: their lease is valid, and they do not drain.
SELECT id, name, version, slots, threads, children, loop_types, thread_types, child_types,
       hung_handlers, started_at, beat_at,
       date_part('epoch', now() - beat_at) AS silent_s
FROM workers WHERE expires_at > now() AND NOT declared_lost AND NOT draining ORDER BY id
