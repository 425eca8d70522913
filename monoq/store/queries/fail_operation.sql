-- Ends an operation that cannot go on.
UPDATE operations SET state = 'FAILED', finished_at = clock_timestamp(), error = $2
WHERE id = $1 AND finished_at IS NULL
