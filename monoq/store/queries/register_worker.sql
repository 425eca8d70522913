-- A new worker row for this start of the process; its id is never used again. $13: whether the
-- worker drains, as its process did under the id before this one.
INSERT INTO workers (name, host, pid, pid_started, slots, threads, children, loop_types,
                     thread_types, child_types, expires_at, version, draining)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text[],
        $9::text[], $10::text[], now() + $11 * interval '1 s', $12, $13)
RETURNING id
