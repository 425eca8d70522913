-- In a database that came from a dump, what the row says may lie above all transactions of this
-- cluster: then the stream begins now.
UPDATE stream
SET floor = least(floor, pg_snapshot_xmax(pg_current_snapshot())),
    kept_from = pg_snapshot_xmax(pg_current_snapshot()),
    mark = pg_snapshot_xmax(pg_current_snapshot()), marked_at = now()
WHERE greatest(floor, kept_from, mark) > pg_snapshot_xmax(pg_current_snapshot())
