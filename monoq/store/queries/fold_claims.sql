-- The jobs that worker $1 is running, as far as Postgres knows; and folds its claims into one row
-- that names these alone.
-- $2: transactions of claims whose jobs have all ended, as Postgres has acknowledged to their
-- worker. Nothing of them runs any more, so their jobs are not looked up.
-- All parts look at the same snapshot: a claim that is committed meanwhile is neither read nor
-- removed. Two folds at once leave a row each, which is one too many and none too few.
WITH running AS MATERIALIZED (
    SELECT jobs.id, jobs.claim
    FROM jobs
    WHERE jobs.id = ANY (ARRAY(SELECT unnest(ids) FROM claims
                               WHERE claims.worker_id = $1 AND claims.xid <> ALL ($2::bigint[])))
      AND jobs.worker_id = $1
), unfolded AS (
    DELETE FROM claims WHERE worker_id = $1
), folded AS (
    INSERT INTO claims (worker_id, ids) SELECT $1, array_agg(id) FROM running HAVING count(*) > 0
)
SELECT id, claim FROM running
