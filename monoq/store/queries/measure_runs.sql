-- How many seconds a run of each type takes that a live worker has a handler for, by the workers'
-- means; NULL: none has ended yet.
SELECT known.type, avg(known.run_s) AS run_s
FROM workers,
     unnest(loop_types || thread_types || child_types, workers.run_s) AS known (type, run_s)
WHERE expires_at > now() AND NOT declared_lost
GROUP BY known.type
