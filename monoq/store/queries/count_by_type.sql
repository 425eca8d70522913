-- Jobs per type and status, of all tenants together: the totals and what has not been folded in
-- yet.
SELECT type, status::text, sum(jobs)::bigint AS jobs
FROM (SELECT type, status, jobs FROM job_totals
      UNION ALL SELECT type, status, jobs FROM job_count_changes) AS parts
GROUP BY 1, 2
ORDER BY 1, 2
