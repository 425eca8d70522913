-- A worker that has stopped cleanly.
DELETE FROM workers WHERE id = $1
