-- Jobs that wait and run, of each type: the totals and what has not been folded in yet.
SELECT type, coalesce(sum(jobs) FILTER (WHERE status = 'PENDING'), 0)::bigint AS waiting,
       coalesce(sum(jobs) FILTER (WHERE status = 'RUNNING'), 0)::bigint AS running
FROM (SELECT type, status, jobs FROM job_totals WHERE status IN ('PENDING', 'RUNNING')
      UNION ALL
      SELECT type, status, jobs FROM job_count_changes
      WHERE status IN ('PENDING', 'RUNNING')) AS parts
GROUP BY type
ORDER BY type
