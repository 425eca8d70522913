-- The fields of a policy, by name.
SELECT field, value, until, afterwards FROM policies WHERE scope = $1::policy_scope AND name = $2
ORDER BY field
