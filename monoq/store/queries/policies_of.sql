-- The policies of the tenants $1, and the default, whose name is ''; `holds`: the value that holds
-- now.
SELECT name, field, value, until, afterwards,
       CASE WHEN until IS NULL OR until > clock_timestamp() THEN value ELSE afterwards END AS holds
FROM policies
WHERE scope = 'tenant' AND name = ANY ($1::text[]) OR scope = 'default'
