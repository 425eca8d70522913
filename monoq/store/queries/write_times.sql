-- Appends how long runs had waited and taken, by tenant ($1) and type ($2). $3, $5: histograms one
-- behind the other; $4, $6: where each ends.
-- '' as tenant: of all tenants together.
INSERT INTO job_times (tenant_id, type, waits, runs)
SELECT tenant_id, type,
       ($3::int[])[lag(waits_end, 1, 0) OVER (ORDER BY place) + 1 : waits_end],
       ($5::int[])[lag(runs_end, 1, 0) OVER (ORDER BY place) + 1 : runs_end]
FROM unnest($1::text[], $2::text[], $4::int[], $6::int[]) WITH ORDINALITY
     AS told (tenant_id, type, waits_end, runs_end, place)
