-- Before a replay to tenant $1 from transaction $2 on: where it ends (what comes later is told
-- live), and the newest transaction from which on there are more than $3 changes; NULL if there are
-- not.
SELECT pg_snapshot_xmax(pg_current_snapshot()) AS "end",
       (
           SELECT changed_xid
           FROM (
               SELECT changed_xid, sum(cardinality(ids)) OVER (ORDER BY changed_xid DESC) AS changes
               FROM job_changes
               WHERE tenant_id = $1 AND changed_xid >= $2::xid8
                 AND changed_xid < pg_snapshot_xmax(pg_current_snapshot())
           ) AS counted
           WHERE changes > $3
           ORDER BY changed_xid DESC
           LIMIT 1
       ) AS too_far
