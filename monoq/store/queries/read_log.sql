-- A page of a job's log, oldest first.
SELECT id, attempt, at, text, fields FROM job_log_lines WHERE job_id = $1 AND id > $2 ORDER BY id
LIMIT $3
