-- The ids of all jobs, oldest first. For tests: it reads the whole table.
SELECT id FROM jobs ORDER BY id
