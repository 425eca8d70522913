-- Jobs per status, of all tenants together: the totals and what has not been folded in yet.
SELECT status::text, sum(jobs)::bigint AS jobs
FROM (SELECT status, jobs FROM job_totals
      UNION ALL SELECT status, jobs FROM job_count_changes) AS parts
GROUP BY 1
