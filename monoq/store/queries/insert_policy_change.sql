-- Writes into the history what a policy was and is.
INSERT INTO policy_changes (scope, name, before, after)
VALUES ($1::policy_scope, $2, $3::jsonb, $4::jsonb)
