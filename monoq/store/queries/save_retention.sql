-- How far a pass has come, or ($2) in how many seconds the next one begins.
UPDATE retention SET reached = $1, next_at = now() + $2 * interval '1 s'
