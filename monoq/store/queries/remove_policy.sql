-- Removes all fields of a policy.
DELETE FROM policies WHERE scope = $1::policy_scope AND name = $2
