-- Stores a job, or replaces the last waiting one of its key and type (see
-- migrations/0001_schema.sql). Rows of id and created.
SELECT id, created
FROM replace_waiting_job($1, $2, $3, $4, $5,
                         coalesce($6::timestamptz, now() + $7::bigint * interval '1 ms'),
                         $8, $9, $10, $11, $12)
