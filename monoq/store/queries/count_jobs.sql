-- Jobs per tenant and status: the totals and what has not been folded in yet. $1: one tenant, or NULL for all of them.
SELECT tenant_id, status::text, sum(jobs)::bigint AS jobs
FROM (SELECT tenant_id, status, jobs FROM job_counts WHERE $1::text IS NULL OR tenant_id = $1
      UNION ALL
      SELECT tenant_id, status, jobs FROM job_count_changes WHERE $1::text IS NULL OR tenant_id = $1) AS parts
GROUP BY 1, 2
ORDER BY 1, 2
