-- Folds up to $1 appended changes into the totals; returns how many. One folder at a time: two would wait for each other's rows. A million
-- tenants stored at once are folded in parts: a statement that takes too long would be tried again for ever.
WITH folded AS (
    DELETE FROM job_count_changes
    WHERE (SELECT pg_try_advisory_xact_lock(hashtext('monoq.fold_counts')))
      AND ctid = ANY (ARRAY(SELECT ctid FROM job_count_changes LIMIT $1)) -- rows never change, so a place is a row
    RETURNING tenant_id, status, jobs
), totals AS (
    INSERT INTO job_totals (status, jobs)
    SELECT status, sum(jobs) FROM folded GROUP BY 1 HAVING sum(jobs) <> 0 ORDER BY 1
    ON CONFLICT (status) DO UPDATE SET jobs = job_totals.jobs + excluded.jobs
), counts AS (
    INSERT INTO job_counts (tenant_id, status, jobs)
    SELECT tenant_id, status, sum(jobs) FROM folded GROUP BY 1, 2 HAVING sum(jobs) <> 0
    ON CONFLICT (tenant_id, status) DO UPDATE SET jobs = job_counts.jobs + excluded.jobs
)
SELECT count(*) FROM folded
