-- For each of the tags $2 of tenant $1, in their order: how many jobs have it, $3 at most. In
-- order: else the planner may read all of them first.
SELECT (SELECT count(*)
        FROM (SELECT
              FROM job_tags
              WHERE (tenant_id, job_tags.tag, id)
                    >= ($1, asked.tag, '00000000-0000-0000-0000-000000000000')
                AND (tenant_id, job_tags.tag, id)
                    <= ($1, asked.tag, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
              ORDER BY tenant_id, tag, id LIMIT $3) AS found) AS jobs
FROM unnest($2::text[]) WITH ORDINALITY AS asked (tag, place)
ORDER BY place
