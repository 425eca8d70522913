-- The jobs that an insert found in place: by their id (an earlier try of ours got through) or by
-- (tenant, idempotency key), which may be that of a job that is gone.
SELECT jobs.id, jobs.tenant_id, jobs.idempotency_key, jobs.request_hash
FROM jobs WHERE jobs.id = ANY ($1::uuid[])
UNION
SELECT used.job_id, used.tenant_id, used.key, used.request_hash
FROM unnest($2::text[], $3::text[]) AS asked (tenant_id, idempotency_key)
JOIN idempotency_keys AS used ON used.tenant_id = asked.tenant_id
    AND used.key = asked.idempotency_key
