-- The jobs that an insert found in place: by their id (an earlier try of ours got through) or by (tenant, idempotency key).
SELECT jobs.id, jobs.tenant_id, jobs.idempotency_key, jobs.request_hash
FROM jobs WHERE jobs.id = ANY ($1::uuid[])
UNION
SELECT jobs.id, jobs.tenant_id, jobs.idempotency_key, jobs.request_hash
FROM unnest($2::text[], $3::text[]) AS asked (tenant_id, idempotency_key)
JOIN jobs ON jobs.tenant_id = asked.tenant_id AND jobs.idempotency_key = asked.idempotency_key
