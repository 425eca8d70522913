-- The policies of a scope, by name after $2: a row for each field of the next $3 names.
SELECT name, field, value, until, afterwards
FROM policies
WHERE scope = $1::policy_scope
  AND name IN (SELECT DISTINCT name FROM policies WHERE scope = $1::policy_scope AND name > $2
               ORDER BY name LIMIT $3)
ORDER BY name, field
