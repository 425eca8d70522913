-- The next jobs to stage, fairly: each tenant's first, then each tenant's second, and so on; at most $1, none of $2 (listed already).
-- Ids come and go as one text, "id,id,…": thousands of values one by one cost the drivers more than all this costs Postgres.
-- The tenants are found by hopping over the index waiting_jobs_next, so a tenant costs one look-up however many jobs it has.
-- $3: types that a live worker can run, or NULL for any. $4: how many times its even share to look into each tenant.
-- Which jobs are taken goes by turn and age, always. $5: how many of them start within a moment; as far as that has room for it, up to 32
-- jobs of a tenant then stand together, and the tenants in their order, beginning anywhere: so a batch has fewer
-- rows of changes and counts, and fewer messages.
-- Returns the ids, and whether looking deeper would find more: some tenants had less than their share, others more.
WITH RECURSIVE tenants AS (
    (SELECT tenant_id FROM waiting_jobs ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT waiting_jobs.tenant_id FROM waiting_jobs
            WHERE waiting_jobs.tenant_id > tenants.tenant_id
            ORDER BY waiting_jobs.tenant_id LIMIT 1)
    FROM tenants WHERE tenants.tenant_id IS NOT NULL
), share AS MATERIALIZED (
    SELECT greatest(ceil($4::float * ($1 + (length($2::text) + 1) / 37) / greatest(count(tenant_id), 1)), 1)::int AS depth,
           greatest(least($5::int / greatest(count(tenant_id), 1), 32), 1) AS together,
           count(tenant_id) AS tenants, (random() * count(tenant_id))::int AS start
    FROM tenants
), places AS (
    SELECT tenant_id, row_number() OVER (ORDER BY tenant_id) AS place FROM tenants WHERE tenant_id IS NOT NULL
), due AS MATERIALIZED (
    SELECT first.id, first.turn, first.run_at, first.turn >= share.depth AS last,
           CASE WHEN share.together > 1
                THEN ((first.turn - 1) / share.together * share.tenants + (places.place + share.start) % share.tenants) * share.together
                     + (first.turn - 1) % share.together
                ELSE first.turn END AS standing
    FROM share, places, LATERAL (
        SELECT id, run_at, row_number() OVER (ORDER BY priority, run_at) AS turn
        FROM waiting_jobs
        WHERE waiting_jobs.tenant_id = places.tenant_id AND run_at <= now() AND ($3::text[] IS NULL OR type = ANY ($3))
        ORDER BY priority, run_at
        LIMIT share.depth
    ) AS first
)
SELECT coalesce(string_agg(next.id::text, ',' ORDER BY next.standing, next.run_at), ''), count(*) < $1 AND bool_or(next.last)
FROM (
    SELECT *
    FROM due
    WHERE id <> ALL (string_to_array($2, ',')::uuid[]) -- a constant to a plan made for it, which hashes it
    ORDER BY turn, run_at
    LIMIT $1
) AS next
