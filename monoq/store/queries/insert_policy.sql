-- Stores the fields of a policy, which has none (remove_policy.sql).
INSERT INTO policies (scope, name, field, value, until, afterwards)
SELECT $1::policy_scope, $2, field, value, until, afterwards
FROM unnest($3::text[], $4::float8[], $5::timestamptz[], $6::float8[]) AS new (field, value, until,
        afterwards)
