-- Jobs per status of the tenants $1: the totals and what has not been folded in yet.
SELECT tenant_id, status::text, sum(jobs)::bigint AS jobs
FROM (SELECT tenant_id, status, jobs FROM job_counts WHERE tenant_id = ANY ($1::text[])
      UNION ALL
      SELECT tenant_id, status, jobs FROM job_count_changes
      WHERE tenant_id = ANY ($1::text[])) AS parts
GROUP BY 1, 2
ORDER BY 1, 2
