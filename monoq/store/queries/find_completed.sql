-- Which jobs are COMPLETED in just these versions: a handler's own transaction may have been rolled
-- back after it had ended its job.
SELECT jobs.id
FROM unnest($1::uuid[], $2::int[]) AS ended (id, version)
JOIN jobs ON jobs.id = ended.id AND jobs.version = ended.version
WHERE jobs.status = 'COMPLETED'
