-- Before a replay to tenant $1 from transaction $2 on: where it ends (what comes later is told live), and the transaction from which
-- on there are more than $3 jobs; NULL if there are not.
SELECT pg_snapshot_xmax(pg_current_snapshot()) AS "end",
       (
           SELECT changed_xid
           FROM jobs
           WHERE tenant_id = $1 AND changed_xid >= $2::xid8 AND changed_xid < pg_snapshot_xmax(pg_current_snapshot())
           ORDER BY changed_xid DESC
           OFFSET $3
           LIMIT 1
       ) AS too_far
