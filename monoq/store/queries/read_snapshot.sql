-- The snapshot of now, from which a stream of changes can start.
SELECT pg_current_snapshot()::text
