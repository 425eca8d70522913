-- Appends lines to the logs of jobs, as far as they come from their newest run. Offsets grow in the
-- order of the lines.
INSERT INTO job_log_lines (job_id, attempt, at, text, fields)
SELECT said.job_id, said.attempt, said.at, said.text, said.fields
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::timestamptz[], $5::text[], $6::jsonb[])
     WITH ORDINALITY AS said (job_id, claim, attempt, at, text, fields, n)
JOIN jobs ON jobs.id = said.job_id AND jobs.claim = said.claim
ORDER BY said.n
RETURNING id, job_id
