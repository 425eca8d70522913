-- At most every $1 seconds: what changed before the last mark need not be kept any more, and a new
-- mark is set. So a change is kept for that long at least, by Postgres' clock, and no row needs a
-- time.
UPDATE stream
SET kept_from = greatest(kept_from, mark), mark = pg_snapshot_xmin(pg_current_snapshot()),
    marked_at = now()
WHERE marked_at < now() - $1 * interval '1 s'
RETURNING kept_from
