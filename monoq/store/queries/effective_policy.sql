-- What holds now for tenant $1: its own values, and the default's where it has none.
SELECT coalesce(own.weight, whole.weight, 1) AS weight,
       coalesce(own.max_running, whole.max_running) AS max_running,
       coalesce(own.rate, whole.rate) AS rate,
       CASE WHEN own.rate IS NULL THEN coalesce(own.burst, whole.burst) ELSE own.burst END AS burst,
       coalesce(own.max_waiting, whole.max_waiting) AS max_waiting,
       coalesce(own.paused, whole.paused, 0) AS paused
FROM policy_of('tenant', $1) AS own, policy_of('default', '') AS whole
