-- The next jobs to stage, fairly: each tenant's first, then each tenant's second, and so on; at most $1, none of $2 (listed already).
-- Ids come and go as one text, "id,id,…": thousands of values one by one cost the drivers more than all this costs Postgres.
-- The tenants are found by hopping over the index jobs_waiting, so a tenant costs one look-up however many jobs it has.
-- $3: types that a live worker can run, or NULL for any. $4: how many times its even share to look into each tenant.
-- Which jobs are taken goes by turn and age, always. Where a hundred tenants or more wait, the jobs taken then stand in the order of
-- their tenants, beginning anywhere, up to four of one tenant together: so a batch has neighbours in the indexes, and fewer counts
-- and messages.
-- Returns the ids, and whether looking deeper would find more: some tenants had less than their share, others more.
WITH RECURSIVE tenants AS (
    (SELECT tenant_id FROM jobs WHERE status = 'PENDING' ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.tenant_id FROM jobs
            WHERE jobs.status = 'PENDING' AND jobs.tenant_id > tenants.tenant_id
            ORDER BY jobs.tenant_id LIMIT 1)
    FROM tenants WHERE tenants.tenant_id IS NOT NULL
), share AS MATERIALIZED (
    SELECT greatest($4::int * ($1 + (length($2::text) + 1) / 37) / greatest(count(tenant_id), 1), 1) AS depth,
           CASE WHEN count(tenant_id) < 100 THEN 1 ELSE 4 END AS together,
           (random() * count(tenant_id))::int AS start
    FROM tenants
), standing AS (
    SELECT tenant_id, row_number() OVER (ORDER BY tenant_id) AS place FROM tenants WHERE tenant_id IS NOT NULL
), due AS MATERIALIZED ( -- or the planner compares with all of $2 in each tenant anew
    SELECT first.id, first.turn, first.run_at, first.turn >= share.depth AS last,
           (first.turn - 1) / share.together AS round, CASE WHEN share.together > 1 THEN standing.place END AS place
    FROM share, standing, LATERAL (
        SELECT jobs.id, jobs.run_at, row_number() OVER (ORDER BY jobs.priority, jobs.run_at) AS turn
        FROM jobs
        WHERE jobs.status = 'PENDING' AND jobs.tenant_id = standing.tenant_id AND jobs.run_at <= now()
          AND ($3::text[] IS NULL OR jobs.type = ANY ($3))
        ORDER BY jobs.priority, jobs.run_at
        LIMIT share.depth
    ) AS first
)
SELECT coalesce(string_agg(next.id::text, ',' ORDER BY next.round, next.place < share.start, next.place, next.turn, next.run_at), ''),
       count(*) < $1 AND bool_or(next.last)
FROM share, (
    SELECT due.*
    FROM due LEFT JOIN unnest(string_to_array($2, ',')::uuid[]) AS listed (id) ON listed.id = due.id
    WHERE listed.id IS NULL
    ORDER BY due.turn, due.run_at
    LIMIT $1
) AS next
