-- What run $2 of job $1 knows in the end, for the runs after it.
UPDATE email_sends SET is_open = $3, outcomes = $4 WHERE job_id = $1 AND claim = $2
