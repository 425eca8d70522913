-- Creates an operation; whoever looks next begins with it.
INSERT INTO operations (kind, filter, matched, matched_all)
VALUES ($1, $2::jsonb, $3, $4)
RETURNING id, kind, state, filter::text, matched, matched_all, done, skipped, created_at,
          finished_at, error
