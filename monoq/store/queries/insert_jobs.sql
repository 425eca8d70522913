-- Stores new jobs; one that is there already, by id or by (tenant, idempotency key), is left alone
-- and not returned.
-- So the whole statement may be sent again after an unclear commit.
INSERT INTO jobs (id, tenant_id, type, payload, priority, run_at, max_attempts, timeout_ms,
                  callback_url, key, tags, idempotency_key, request_hash)
SELECT id, tenant_id, type, payload, coalesce(priority, 0),
       coalesce(run_at, now() + coalesce(delay_ms, 0) * interval '1 ms'),
       max_attempts, timeout_ms, callback_url, key, tags, idempotency_key, request_hash
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::int[], $6::timestamptz[],
            $7::bigint[], $8::int[], $9::int[], $10::text[], $11::text[], $12::jsonb[],
            $13::text[], $14::bytea[])
     AS new (id, tenant_id, type, payload, priority, run_at, delay_ms, max_attempts, timeout_ms,
             callback_url, key, tags, idempotency_key, request_hash)
ON CONFLICT DO NOTHING
RETURNING id
