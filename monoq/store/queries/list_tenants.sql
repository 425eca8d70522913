-- The first $4 tenants behind $3, by name, whose name is from $1 on and below $2; $5: backwards.
-- One that is new is found before its first fold.
SELECT tenant_id
FROM ((SELECT tenant_id FROM tenant_counts
       WHERE NOT $5::bool AND tenant_id >= $1 AND tenant_id < $2 AND tenant_id > $3
       ORDER BY tenant_id LIMIT $4)
      UNION
      (SELECT tenant_id FROM tenant_counts
       WHERE $5::bool AND tenant_id >= $1 AND tenant_id < $2 AND tenant_id < $3
       ORDER BY tenant_id DESC LIMIT $4)
      UNION
      SELECT tenant_id FROM job_count_changes
      WHERE tenant_id >= $1 AND tenant_id < $2
        AND CASE WHEN $5::bool THEN tenant_id < $3 ELSE tenant_id > $3 END) AS named
ORDER BY CASE WHEN NOT $5::bool THEN tenant_id END, CASE WHEN $5::bool THEN tenant_id END DESC
LIMIT $4
