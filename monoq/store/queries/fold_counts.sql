-- Folds up to $1 appended changes into the totals; returns how many. One folder at a time: two would wait for each other's rows. A million
-- tenants stored at once are folded in parts: a statement that takes too long would be tried again for ever.
WITH folded AS (
    DELETE FROM job_count_changes
    WHERE (SELECT pg_try_advisory_xact_lock(hashtext('monoq.fold_counts')))
      AND ctid = ANY (ARRAY(SELECT ctid FROM job_count_changes LIMIT $1)) -- rows never change, so a place is a row
    RETURNING tenant_id, type, status, jobs
), totals AS (
    INSERT INTO job_totals (type, status, jobs)
    SELECT type, status, sum(jobs) FROM folded GROUP BY 1, 2 HAVING sum(jobs) <> 0 ORDER BY 1, 2
    ON CONFLICT (type, status) DO UPDATE SET jobs = job_totals.jobs + excluded.jobs
), counts AS (
    INSERT INTO job_counts (tenant_id, type, status, jobs)
    SELECT tenant_id, type, status, sum(jobs) FROM folded GROUP BY 1, 2, 3 HAVING sum(jobs) <> 0
    ON CONFLICT (tenant_id, type, status) DO UPDATE SET jobs = job_counts.jobs + excluded.jobs
), tenants AS (
    INSERT INTO tenant_counts (tenant_id, waiting, running)
    SELECT tenant_id, coalesce(sum(jobs) FILTER (WHERE status = 'PENDING'), 0), coalesce(sum(jobs) FILTER (WHERE status = 'RUNNING'), 0)
    FROM folded GROUP BY 1
    ON CONFLICT (tenant_id) DO UPDATE SET waiting = tenant_counts.waiting + excluded.waiting, running = tenant_counts.running + excluded.running
    WHERE excluded.waiting <> 0 OR excluded.running <> 0
)
SELECT count(*) FROM folded
