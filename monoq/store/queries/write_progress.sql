-- Replaces the progress of jobs, as far as it comes from their newest run.
INSERT INTO job_progress (job_id, claim, fraction, text)
SELECT said.job_id, said.claim, said.fraction, said.text
FROM unnest($1::uuid[], $2::int[], $3::float8[], $4::text[]) AS said (job_id, claim, fraction, text)
JOIN jobs ON jobs.id = said.job_id AND jobs.claim = said.claim
ON CONFLICT (job_id) DO UPDATE
SET claim = excluded.claim, fraction = excluded.fraction, text = excluded.text, at = now()
RETURNING job_id
