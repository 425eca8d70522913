-- Where the removal of old jobs stands, locked; no row: somebody else removes. At most every $1
-- seconds a new mark is set: what changed before the one before it ended at least that long ago.
WITH place AS MATERIALIZED (
    SELECT reached, next_at, told, mark, marked_at FROM retention FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE retention
    SET told = place.mark, mark = pg_snapshot_xmin(pg_current_snapshot()), marked_at = now()
    FROM place
    WHERE place.marked_at <= now() - $1 * interval '1 s'
    RETURNING retention.told
)
SELECT reached, coalesce((SELECT told FROM marked), told) AS told, next_at <= now() AS is_due
FROM place
