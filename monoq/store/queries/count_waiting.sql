-- How many jobs of tenant $1 wait, about: without what is not folded yet.
SELECT coalesce(sum(jobs), 0)::bigint AS jobs FROM job_counts
WHERE tenant_id = $1 AND status = 'PENDING'
