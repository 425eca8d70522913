-- What limits the starts of these tenants ($1), and which of it lets nothing start now; tenants without limits are missing.
SELECT limits.name, limits.max_running, limits.rate, coalesce(limits.paused > 0, false) AS paused, rooms.held_by
FROM limits_of($1::text[], '{}') AS limits
     LEFT JOIN limit_rooms($1::text[], '{}') AS rooms ON rooms.scope = limits.scope AND rooms.name = limits.name
WHERE limits.scope = 'tenant'
