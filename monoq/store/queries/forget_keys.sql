-- Forgets up to $2 idempotency keys that were used more than $1 seconds ago, the oldest first;
-- returns how many.
WITH forgotten AS (
    DELETE FROM idempotency_keys
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency_keys
                            WHERE used_at < now() - $1 * interval '1 s'
                            ORDER BY used_at LIMIT $2
                            FOR UPDATE SKIP LOCKED)) -- rows never change, so a place is a row
    RETURNING 1
)
SELECT count(*) FROM forgotten
