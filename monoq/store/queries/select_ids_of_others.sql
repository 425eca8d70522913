-- Which of the waiting jobs $1 are of none of the tenants $2.
SELECT id::text FROM waiting_jobs WHERE id = ANY ($1::uuid[]) AND tenant_id <> ALL ($2::text[])
