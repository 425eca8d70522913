-- Folds up to $1 appended changes into the totals, and into the minutes of the history; returns how
-- many. One folder at a time: two would wait for each other's rows. A million tenants stored at
-- once are folded in parts: a statement that takes too long would be tried again for ever.
-- A change belongs to the minute in which its transaction began, unless that is closed already (see
-- close_minute()). One statement moves the jobs of a tenant and a type into a status or out of it:
-- so the positive sums are those that came into it.
WITH folded AS (
    DELETE FROM job_count_changes
    WHERE (SELECT pg_try_advisory_xact_lock(hashtext('monoq.fold_counts')))
      -- rows never change, so a place is a row
      AND ctid = ANY (ARRAY(SELECT ctid FROM job_count_changes LIMIT $1))
    RETURNING tenant_id, type, status, jobs, at, submitted, retried
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
    SELECT tenant_id, coalesce(sum(jobs) FILTER (WHERE status = 'PENDING'), 0),
           coalesce(sum(jobs) FILTER (WHERE status = 'RUNNING'), 0)
    FROM folded GROUP BY 1
    ON CONFLICT (tenant_id) DO UPDATE
    SET waiting = tenant_counts.waiting + excluded.waiting,
        running = tenant_counts.running + excluded.running
    WHERE excluded.waiting <> 0 OR excluded.running <> 0
), minutes AS (
    INSERT INTO open_minutes AS open (tenant_id, type, at, submitted, completed, failed, cancelled,
                                      retried, waiting_change, running_change)
    SELECT coalesce(tenant_id, ''), type, minute, sum(submitted),
           coalesce(sum(jobs) FILTER (WHERE status = 'COMPLETED' AND jobs > 0), 0),
           coalesce(sum(jobs) FILTER (WHERE status = 'FAILED' AND jobs > 0), 0),
           coalesce(sum(jobs) FILTER (WHERE status = 'CANCELLED' AND jobs > 0), 0),
           sum(retried),
           coalesce(sum(jobs) FILTER (WHERE status = 'PENDING'), 0),
           coalesce(sum(jobs) FILTER (WHERE status = 'RUNNING'), 0)
    FROM (SELECT folded.*,
                 greatest(history_state.open_from,
                          date_bin('1 minute', least(at, now()), 'epoch')) AS minute
          FROM folded CROSS JOIN history_state) AS dated
    GROUP BY GROUPING SETS ((tenant_id, type, minute), (type, minute))
    ON CONFLICT (tenant_id, at, type) DO UPDATE
    SET submitted = open.submitted + excluded.submitted,
        completed = open.completed + excluded.completed,
        failed = open.failed + excluded.failed, cancelled = open.cancelled + excluded.cancelled,
        retried = open.retried + excluded.retried,
        waiting_change = open.waiting_change + excluded.waiting_change,
        running_change = open.running_change + excluded.running_change
)
SELECT count(*) FROM folded
