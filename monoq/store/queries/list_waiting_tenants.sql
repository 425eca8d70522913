-- The names of up to $2 tenants behind $1 of whom jobs wait, as of the last fold.
SELECT tenant_id FROM tenant_counts WHERE waiting > 0 AND tenant_id > $1 ORDER BY tenant_id LIMIT $2
