-- How many jobs have which status. For tests: it reads the whole table.
SELECT status::text AS status, count(*) AS jobs FROM jobs GROUP BY status ORDER BY status
