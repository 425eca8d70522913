-- Ends an operation after the batch that is under way; no row: it has ended.
UPDATE operations SET state = 'ABORTED', finished_at = clock_timestamp()
WHERE id = $1 AND finished_at IS NULL
RETURNING id, kind, state, filter::text, matched, matched_all, done, skipped, created_at,
          finished_at, error
