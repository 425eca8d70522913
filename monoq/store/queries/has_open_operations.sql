-- Whether an operation has not ended.
SELECT EXISTS (SELECT FROM operations WHERE finished_at IS NULL)
