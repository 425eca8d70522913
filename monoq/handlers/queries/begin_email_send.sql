-- Writes down, before the first byte of DATA, that run $2 of job $1 begins to send, and what it
-- must be taken for if no more is heard of it ($3).
-- A row comes back only if that run still holds its job, and nobody wrote anything since it looked:
-- then it saw claim $4, or no row (NULL).
-- Of two runs that hold one another for dead, one gets a row. The same statement again, after its
-- answer was lost, gets one, too.
-- $6: a digest of the mail. $5: jobs whose mail this process has sent. Those that are COMPLETED
-- need no row any more.
WITH needless AS (
    DELETE FROM email_sends
    WHERE job_id = ANY (ARRAY(SELECT id FROM jobs
                              WHERE id = ANY ($5::uuid[]) AND status = 'COMPLETED'))
)
INSERT INTO email_sends (job_id, claim, mail, is_open, outcomes)
SELECT id, claim, $6, true, $3 FROM jobs WHERE id = $1 AND claim = $2 AND status = 'RUNNING'
ON CONFLICT (job_id) DO UPDATE
SET claim = excluded.claim, mail = excluded.mail, is_open = true, outcomes = excluded.outcomes,
    begun_at = now()
WHERE email_sends.claim IN ($2, $4)
RETURNING job_id
