-- The types that workers have registered, and how many live workers take each.
SELECT name, changed_at, coalesce(live.workers, 0) AS workers
FROM job_types
     LEFT JOIN (SELECT type::type_name AS name, count(*) AS workers
                FROM workers, unnest(loop_types || thread_types || child_types) AS type
                WHERE expires_at > now() AND NOT declared_lost AND NOT draining
                GROUP BY type) AS live USING (name)
ORDER BY name
