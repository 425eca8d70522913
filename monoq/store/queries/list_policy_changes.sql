-- The changes of a policy, newest first, older than $3.
SELECT version, changed_at, before::text, after::text
FROM policy_changes
WHERE scope = $1::policy_scope AND name = $2 AND version < $3
ORDER BY version DESC
LIMIT $4
