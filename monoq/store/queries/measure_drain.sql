-- How many jobs of tenant $1 ended per second, in its last $2 changes of the last minute; NULL:
-- none did. All jobs of a row of job_changes were changed alike, so one of them tells of all. Large
-- rows are left out: they are submits, and would have to be read whole.
SELECT sum(cardinality(changes.ids))
       / greatest(date_part('epoch', clock_timestamp() - min(jobs.finished_at)), 0.5) AS per_s
FROM (SELECT changed_xid, ids FROM job_changes
      WHERE tenant_id = $1 AND pg_column_size(ids) < 40000
      ORDER BY changed_xid DESC LIMIT $2) AS changes
     CROSS JOIN LATERAL (
         SELECT finished_at FROM jobs
         WHERE jobs.id = changes.ids[1] AND jobs.changed_xid = changes.changed_xid
           AND finished_at > now() - interval '1 minute'
         OFFSET 0 -- one look into the index for each
     ) AS jobs
