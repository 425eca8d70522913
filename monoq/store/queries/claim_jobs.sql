-- Takes the jobs of $1 that still wait, are due and have a handler here, for worker $2, if its
-- lease is valid and it does not drain: one compare-and-set.
-- $3, $4: the types that may run and their time limits. $5: whether suspects are taken: those
-- alone, or all but those.
-- Of the jobs of a key, only its holder is taken.
-- A row that another transaction holds is being claimed, cancelled or rescued: skipped, never
-- waited for.
-- The rows that were locked are found again by their place, not by a second descent of an index for
-- each. One that was changed between this statement's snapshot and its lock stands elsewhere, and
-- goes on waiting: a miss.
-- A payload of more than $6 bytes is left out: hundreds of them at once would not fit into memory.
-- Its size comes back instead.
-- Times come back as seconds: to the driver a timestamp is dearer than all the other columns of a
-- row.
-- Nothing while a policy limits anybody: then claim_gated_jobs() is the claim. For claim_gate see
-- migrations/0001_schema.sql.
WITH me AS MATERIALIZED (
    SELECT id, pg_current_xact_id()::text::bigint AS xid
    FROM workers
    WHERE id = $2 AND expires_at > now() AND NOT declared_lost AND NOT draining
      AND NOT EXISTS (SELECT FROM claim_gate FOR KEY SHARE)
      AND NOT EXISTS (SELECT FROM policies
                      WHERE field IN ('max_running', 'rate', 'paused')
                        AND (until IS NULL OR until > now() OR afterwards IS NOT NULL))
    FOR KEY SHARE OF workers
), due AS MATERIALIZED (
    SELECT jobs.ctid
    FROM jobs
    WHERE jobs.id = ANY ($1::uuid[]) AND jobs.status = 'PENDING' AND jobs.run_at <= now()
      -- no `= ANY`, for which jobs_of_tenant might be walked
      AND array_position($3::text[], jobs.type::text) IS NOT NULL
      AND (jobs.crashes + jobs.deaths > 0) = $5
      AND (jobs.key IS NULL OR EXISTS (SELECT FROM job_keys
                                       WHERE job_keys.tenant_id = jobs.tenant_id
                                         AND job_keys.key = jobs.key AND job_keys.holder = jobs.id))
    ORDER BY jobs.id
    FOR UPDATE OF jobs SKIP LOCKED
)
UPDATE jobs
SET status = 'RUNNING', claim = claim + 1, attempts = attempts + 1, version = version + 1,
    changed_xid = pg_current_xact_id(),
    worker_id = me.id, started_at = now(), updated_at = now(),
    deadline_at = now()
        + coalesce(jobs.timeout_ms, ($4::int[])[array_position($3::text[], jobs.type::text)])
            * interval '1 ms'
FROM due, me
WHERE jobs.ctid = due.ctid
RETURNING jobs.id, jobs.tenant_id, jobs.type,
          CASE WHEN pg_column_size(jobs.payload) <= $6 THEN jobs.payload END AS payload,
          jobs.claim, jobs.attempts, jobs.max_attempts, jobs.timeout_ms, jobs.version, jobs.crashes,
          jobs.deaths,
          pg_column_size(jobs.payload) AS payload_bytes,
          date_part('epoch', now() - jobs.run_at) AS waited_s, date_part('epoch', now()) AS at,
          me.xid, jobs.key IS NOT NULL AS keyed
