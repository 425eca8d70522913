-- Removes old jobs: looks at $4 jobs after id $1, in the order of their ids, and removes those that
-- have been COMPLETED for $2 seconds, or FAILED or CANCELLED for $3. $6: removes nothing, and tells
-- what it would.
-- Ids are times: the jobs that were made too late to be old are passed over. Not so those with an
-- id of tomorrow, from a wrong clock.
-- Returns how many were looked at, due and removed, the last one looked at, and for how long some
-- should have been gone (NULL: none was due).
-- Only what changed before transaction $5 is removed, or will not for long: a restored dump brings
-- such ids, and no viewer knows them.
-- A row is found again by its place. If somebody changes it meanwhile, the conditions are looked at
-- once more.
-- Below `floor` no cursor is honoured: who has not seen a job's end reads the table. Below
-- `kept_from` none is anyway.
WITH looked AS MATERIALIZED (
    SELECT *
    FROM ((SELECT ctid AS place, id, status, finished_at, changed_xid FROM jobs
           WHERE id > $1 AND id < lowest_id(now() - least($2::float8, $3::float8) * interval '1 s')
           ORDER BY id LIMIT $4)
          UNION ALL
          (SELECT ctid, id, status, finished_at, changed_xid FROM jobs
           WHERE id > greatest($1, lowest_id(now() + interval '1 day'))
           ORDER BY id LIMIT $4)) AS in_order
    LIMIT $4
), due AS MATERIALIZED (
    SELECT place,
           date_part('epoch', now() - finished_at) - CASE status WHEN 'COMPLETED' THEN $2::float8
                                                          ELSE $3::float8 END AS overdue_s
    FROM looked
    WHERE status IN ('COMPLETED', 'FAILED', 'CANCELLED')
      AND finished_at <= now() - CASE status WHEN 'COMPLETED' THEN $2::float8 ELSE $3::float8 END
          * interval '1 s'
      AND (changed_xid < $5
           OR changed_xid::text::bigint > pg_snapshot_xmax(pg_current_snapshot())::text::bigint
              + 1000000)
), removed AS (
    DELETE FROM jobs
    WHERE NOT $6 AND ctid = ANY (ARRAY(SELECT place FROM due))
      AND status IN ('COMPLETED', 'FAILED', 'CANCELLED')
      AND finished_at <= now() - CASE status WHEN 'COMPLETED' THEN $2::float8 ELSE $3::float8 END
          * interval '1 s'
      AND (changed_xid < $5
           OR changed_xid::text::bigint > pg_snapshot_xmax(pg_current_snapshot())::text::bigint
              + 1000000)
    RETURNING changed_xid
), raised AS (
    UPDATE stream SET floor = (last.changed_xid::text::bigint + 1)::text::xid8
    FROM (SELECT changed_xid FROM removed WHERE changed_xid < $5 ORDER BY changed_xid DESC
          LIMIT 1) AS last
    WHERE last.changed_xid >= greatest(floor, kept_from)
)
SELECT (SELECT count(*) FROM looked) AS looked, (SELECT count(*) FROM due) AS due,
       (SELECT count(*) FROM removed) AS removed,
       (SELECT max(overdue_s) FROM due) AS overdue_s,
       (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS reached
