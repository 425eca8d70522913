-- The next jobs of each tenant, for one list: an even share of $1 each. Which of them are taken,
-- and in which order, is decided by monoq/store/due.py.
-- $2 to $5: where to look, as rows of `suspect`, type, and the tenants above `low` and below `high`
-- (NULL: no bound; '~' is above all names: an OR would be no condition of an index, and a hop that
-- finds nobody would walk over all that waits). Tenants are found by hopping over the index
-- waiting_jobs_next, at most $1 a row; so a look costs what it finds, however many tenants and jobs
-- wait, and it never meets a job that is not due or has no worker.
-- $6 to $11: pairs of type and tenant that are looked at without a hop, from this priority, time
-- and id on, and at any lower priority. Rows that are gone but that no vacuum could remove yet
-- stand before it: they would be walked at each look. Without a time only the lower priorities are
-- looked at.
-- $12: how many times its even share to look into each tenant.
-- Returns a row for each pair: `depth`, the share of each tenant; the ids of `n` jobs as one text
-- "id,id,…", the first job first (thousands of values one by one cost the drivers more than all
-- this costs Postgres); `oldest`, seconds since 1970; for a tenant of several pairs what its jobs
-- are ordered by; and, if there are 200 jobs or more, the first row, for $6 to $11 of the next
-- look.
WITH RECURSIVE places AS (
    SELECT *
    FROM unnest($2::bool[], $3::text[], $4::text[], $5::text[]) AS places (suspect, type, low, high)
), known AS MATERIALIZED (
    SELECT *
    FROM unnest($6::bool[], $7::text[], $8::text[], $9::int[], $10::timestamptz[], $11::uuid[])
                  AS known (suspect, type, tenant_id, first_priority, first_run_at, first_id)
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
    -- A pair that is not known begins with its first row.
    SELECT suspect, type, tenant_id, -32768 AS priority, '-infinity'::timestamptz AS run_at,
           '00000000-0000-0000-0000-000000000000'::uuid AS id
    FROM hops
    UNION ALL
    SELECT suspect, type, tenant_id, first_priority, first_run_at, first_id FROM known
), tenants AS MATERIALIZED (
    SELECT tenant_id FROM pairs GROUP BY tenant_id ORDER BY tenant_id LIMIT $1
), share AS MATERIALIZED (
    SELECT greatest(ceil($12::float * $1 / greatest(count(*), 1)), 1)::int AS depth,
           count(*) AS tenants
    FROM tenants
), of_tenants AS MATERIALIZED (
    SELECT pairs.*, share.depth, count(*) OVER (PARTITION BY tenant_id) > 1 AS several
    FROM share, pairs JOIN tenants USING (tenant_id)
)
SELECT of_tenants.depth, of_tenants.suspect, of_tenants.type, of_tenants.tenant_id, jobs.ids,
       jobs.n, jobs.oldest, jobs.priorities, jobs.run_ats,
       first.priority AS first_priority, date_part('epoch', first.run_at) AS first_run_at,
       first.id AS first_id
FROM of_tenants, LATERAL (
    SELECT string_agg(id::text, ',') AS ids, count(*) AS n,
           date_part('epoch', min(run_at)) AS oldest,
           array_agg(priority) FILTER (WHERE of_tenants.several) AS priorities,
           array_agg(date_part('epoch', run_at)) FILTER (WHERE of_tenants.several) AS run_ats
    FROM (
        (SELECT id, priority, run_at
         FROM waiting_jobs
         WHERE of_tenants.priority > -32768 AND waiting_jobs.suspect = of_tenants.suspect
           AND waiting_jobs.type = of_tenants.type
           AND waiting_jobs.tenant_id = of_tenants.tenant_id
           AND waiting_jobs.priority < of_tenants.priority
         ORDER BY priority, run_at, id
         LIMIT of_tenants.depth)
        UNION ALL
        (SELECT id, priority, run_at
         FROM waiting_jobs
         WHERE of_tenants.run_at IS NOT NULL AND waiting_jobs.suspect = of_tenants.suspect
           AND waiting_jobs.type = of_tenants.type
           AND waiting_jobs.tenant_id = of_tenants.tenant_id
           AND (waiting_jobs.priority, waiting_jobs.run_at, waiting_jobs.id)
               >= (of_tenants.priority, of_tenants.run_at, of_tenants.id)
         ORDER BY priority, run_at, id
         LIMIT of_tenants.depth)
    ) AS rows
) AS jobs LEFT JOIN LATERAL (
    SELECT id, priority, run_at
    FROM waiting_jobs
    WHERE jobs.n >= 200 AND waiting_jobs.suspect = of_tenants.suspect
      AND waiting_jobs.type = of_tenants.type
      AND waiting_jobs.tenant_id = of_tenants.tenant_id
      AND (waiting_jobs.priority, waiting_jobs.run_at, waiting_jobs.id)
          >= (of_tenants.priority, of_tenants.run_at, of_tenants.id)
    ORDER BY priority, run_at, id
    LIMIT 1
) AS first ON true
