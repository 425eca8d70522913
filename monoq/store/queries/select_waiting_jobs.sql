-- The next jobs for one list, fairly: each tenant's first, then each tenant's second, and so on; at most $1.
-- $2 to $5: where to look, as rows of `suspect`, type, and the tenants above `low` and below `high` (NULL: no bound; '~' is above all
-- names: an OR would be no condition of an index, and a hop that finds nobody would walk over all that waits). Tenants are found by
-- hopping over the index waiting_jobs_next, at most $1 a row; so a look costs what it finds, however many tenants and jobs wait, and it
-- never meets a job that is not due or has no worker.
-- $6 to $10: pairs of type and tenant that are looked at without a hop, from this priority and time on and at any lower priority. Rows that
-- are gone but that no vacuum could remove yet stand before it: they would be walked at each look (monoq/store/due.py). Without a time
-- only the lower priorities are looked at.
-- $11: how many times its even share to look into each tenant.
-- Which jobs are taken goes by turn and age, always. $12: how many of them start within a moment; as far as that has room for it, up to
-- 32 jobs of a tenant then stand together, and the tenants in their order, beginning anywhere: so a batch has fewer rows of changes and
-- counts, and fewer messages.
-- Returns the ids as one text "id,id,…" (thousands of values one by one cost the drivers more than all this costs Postgres); whether looking
-- deeper would find more; the last tenant if there are $1 tenants or more; and, as JSON, the pairs that gave most, with their first rows.
WITH RECURSIVE places AS (
    SELECT * FROM unnest($2::bool[], $3::text[], $4::text[], $5::text[]) AS places (suspect, type, low, high)
), known AS MATERIALIZED (
    SELECT * FROM unnest($6::bool[], $7::text[], $8::text[], $9::int[], $10::timestamptz[])
                  AS known (suspect, type, tenant_id, first_priority, first_run_at)
), hops AS (
    SELECT places.suspect, places.type, places.high, next.tenant_id, 1 AS n
    FROM places, LATERAL (
        SELECT tenant_id FROM waiting_jobs
        WHERE waiting_jobs.suspect = places.suspect AND waiting_jobs.type = places.type
          AND tenant_id > places.low AND tenant_id < coalesce(places.high, '~')
        ORDER BY tenant_id LIMIT 1
    ) AS next
    UNION ALL
    SELECT hops.suspect, hops.type, hops.high, next.tenant_id, n + 1
    FROM hops, LATERAL (
        SELECT tenant_id FROM waiting_jobs
        WHERE waiting_jobs.suspect = hops.suspect AND waiting_jobs.type = hops.type
          AND tenant_id > hops.tenant_id AND tenant_id < coalesce(hops.high, '~')
        ORDER BY tenant_id LIMIT 1
    ) AS next
    WHERE n < $1
), pairs AS MATERIALIZED (
    SELECT suspect, type, tenant_id, NULL::int AS first_priority, NULL::timestamptz AS first_run_at FROM hops
    UNION ALL
    SELECT suspect, type, tenant_id, first_priority, first_run_at FROM known
), tenants AS MATERIALIZED (
    SELECT tenant_id, row_number() OVER (ORDER BY tenant_id) AS place FROM pairs GROUP BY tenant_id ORDER BY tenant_id LIMIT $1
), share AS MATERIALIZED (
    SELECT greatest(ceil($11::float * $1 / greatest(count(*), 1)), 1)::int AS depth,
           greatest(least($12::int / greatest(count(*), 1), 32), 1) AS together,
           count(*) AS tenants, (random() * count(*))::int AS start
    FROM tenants
), candidates AS (
    SELECT pairs.suspect, pairs.type, pairs.tenant_id, tenants.place, first.id, first.priority, first.run_at
    FROM share, pairs JOIN tenants USING (tenant_id), LATERAL (
        (SELECT id, priority, run_at
         FROM waiting_jobs
         WHERE (pairs.first_priority IS NULL OR pairs.first_run_at IS NOT NULL)
           AND waiting_jobs.suspect = pairs.suspect AND waiting_jobs.type = pairs.type AND waiting_jobs.tenant_id = pairs.tenant_id
           AND (waiting_jobs.priority, waiting_jobs.run_at)
               >= (coalesce(pairs.first_priority, -32768), coalesce(pairs.first_run_at, '-infinity'))
         ORDER BY priority, run_at
         LIMIT share.depth)
        UNION ALL
        (SELECT id, priority, run_at
         FROM waiting_jobs
         WHERE pairs.first_priority IS NOT NULL
           AND waiting_jobs.suspect = pairs.suspect AND waiting_jobs.type = pairs.type AND waiting_jobs.tenant_id = pairs.tenant_id
           AND waiting_jobs.priority < pairs.first_priority
         ORDER BY priority, run_at
         LIMIT share.depth)
    ) AS first
), turns AS (
    SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY priority, run_at) AS turn FROM candidates
), chosen AS (
    SELECT turns.id, turns.run_at, turns.turn >= share.depth AS last,
           CASE WHEN share.together > 1
                THEN ((turns.turn - 1) / share.together * share.tenants + (turns.place + share.start) % share.tenants) * share.together
                     + (turns.turn - 1) % share.together
                ELSE turns.turn END AS standing
    FROM turns, share
    WHERE turns.turn <= share.depth
    ORDER BY turns.turn, turns.run_at
    LIMIT $1
)
SELECT coalesce(string_agg(id::text, ',' ORDER BY standing, run_at), '') AS ids,
       coalesce(count(*) < $1 AND bool_or(last), false) AS deeper,
       CASE WHEN (SELECT tenants FROM share) >= $1 THEN (SELECT max(tenant_id) FROM tenants) END AS last_tenant,
       (SELECT coalesce(json_agg(busy), '[]')::text
        FROM (SELECT pairs.suspect, pairs.type, pairs.tenant_id, first.priority, date_part('epoch', first.run_at) AS run_at
              FROM share, pairs, LATERAL (
                  SELECT array_agg(priority) AS priorities, array_agg(run_at) AS run_ats
                  FROM (SELECT priority, run_at
                        FROM waiting_jobs
                        WHERE waiting_jobs.suspect = pairs.suspect AND waiting_jobs.type = pairs.type
                          AND waiting_jobs.tenant_id = pairs.tenant_id
                          AND (waiting_jobs.priority, waiting_jobs.run_at)
                              >= (coalesce(pairs.first_priority, -32768), coalesce(pairs.first_run_at, '-infinity'))
                        ORDER BY priority, run_at
                        LIMIT 200) AS first_rows
              ) AS rows, LATERAL (SELECT priorities[1] AS priority, run_ats[1] AS run_at) AS first
              WHERE share.depth >= 200 AND cardinality(rows.priorities) = 200) AS busy) AS busy
FROM chosen
