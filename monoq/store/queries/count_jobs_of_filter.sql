-- How many jobs have one of the statuses $1, by the counts: of tenant $2 or of all, of type $3 or
-- of any.
SELECT coalesce(sum(jobs), 0)::bigint AS jobs
FROM (SELECT jobs FROM job_counts
      WHERE tenant_id = $2::text AND status = ANY ($1::text[]::job_status[])
        AND ($3::text IS NULL OR type = $3)
      UNION ALL
      SELECT jobs FROM job_totals
      WHERE $2::text IS NULL AND status = ANY ($1::text[]::job_status[])
        AND ($3::text IS NULL OR type = $3)
      UNION ALL
      SELECT jobs FROM job_count_changes
      WHERE ($2::text IS NULL OR tenant_id = $2) AND status = ANY ($1::text[]::job_status[])
        AND ($3::text IS NULL OR type = $3)) AS parts
