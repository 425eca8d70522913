-- One operation.
SELECT id, kind, state, filter::text, matched, matched_all, done, skipped, created_at, finished_at,
       error
FROM operations WHERE id = $1
