-- What earlier runs of a job wrote down. `told`: since then its job has FAILED with the word that
-- it is not known whether the mail was sent ($2, as a LIKE pattern); whoever retried it knows.
SELECT email_sends.claim, email_sends.mail, email_sends.is_open, email_sends.outcomes,
       EXISTS (SELECT FROM jobs, jsonb_array_elements(jobs.errors) AS failure
               WHERE jobs.id = email_sends.job_id AND failure ->> 'error' LIKE $2
                 AND (failure ->> 'at')::timestamptz >= email_sends.begun_at) AS told
FROM email_sends
WHERE email_sends.job_id = $1
