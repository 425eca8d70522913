-- Moves up to $1 jobs whose time has come from delayed_jobs to waiting_jobs. One process at a time:
-- the others find the rows moved.
-- $2: from when on there are rows; what a vacuum could not remove yet is not walked again at each
-- look.
-- The jobs are locked as well: one that is being cancelled, claimed or given another time at this
-- moment would be left among the waiting ones for good, by a change that looked there before it
-- came.
-- Returns how many were due, and in how many seconds the next one is (NULL: there is none).
WITH me AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtext('monoq.promote_delayed_jobs')) AS may
), due AS MATERIALIZED (
    SELECT delayed_jobs.id, delayed_jobs.run_at
    FROM me, delayed_jobs JOIN jobs USING (id)
    WHERE me.may AND delayed_jobs.run_at <= now() AND delayed_jobs.run_at >= $2
    ORDER BY delayed_jobs.run_at
    LIMIT $1
    FOR NO KEY UPDATE OF jobs, delayed_jobs SKIP LOCKED
), gone AS (
    DELETE FROM delayed_jobs WHERE id = ANY (ARRAY(SELECT id FROM due))
), promoted AS (
    INSERT INTO waiting_jobs (id, run_at, priority, suspect, tenant_id, type)
    SELECT jobs.id, jobs.run_at, jobs.priority, jobs.crashes + jobs.deaths > 0, jobs.tenant_id,
           jobs.type
    FROM jobs
    WHERE jobs.id = ANY (ARRAY(SELECT id FROM due)) AND jobs.status = 'PENDING'
      AND jobs.run_at <= now()
    ON CONFLICT (id) DO NOTHING
)
SELECT (SELECT may FROM me) AS may, (SELECT count(*) FROM due) AS due,
       (SELECT max(run_at) FROM due) AS last,
       date_part('epoch',
                 (SELECT run_at FROM delayed_jobs WHERE run_at > now() ORDER BY run_at LIMIT 1)
                 - now()) AS next_in_s
