-- The types that workers have registered, how many live workers take each, and who is told of the
-- ends of its jobs.
SELECT name, changed_at, coalesce(live.workers, 0) AS workers, type_callbacks.url AS callback_url
FROM job_types
     LEFT JOIN (SELECT type::type_name AS name, count(*) AS workers
                FROM workers, unnest(loop_types || thread_types || child_types) AS type
                WHERE expires_at > now() AND NOT declared_lost AND NOT draining
                GROUP BY type) AS live USING (name)
     LEFT JOIN type_callbacks ON type_callbacks.type = job_types.name
ORDER BY name
