-- Stores jobs that nobody has tried to store before and that have no idempotency key:
-- insert_jobs.sql without its look for conflicts, which costs a third of it. An array may be empty:
-- then nobody's value differs from the default.
INSERT INTO jobs (id, tenant_id, type, payload, priority, run_at, max_attempts, timeout_ms,
                  callback_url, key, tags)
SELECT id, tenant_id, type, payload, coalesce(priority, 0),
       coalesce(run_at, now() + coalesce(delay_ms, 0) * interval '1 ms'), max_attempts, timeout_ms,
       callback_url, key, tags
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::int[], $6::timestamptz[],
            $7::bigint[], $8::int[], $9::int[], $10::text[], $11::text[], $12::jsonb[])
     AS new (id, tenant_id, type, payload, priority, run_at, delay_ms, max_attempts, timeout_ms,
             callback_url, key, tags)
