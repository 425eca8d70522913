-- The weights that hold now, of tenants and of the default.
SELECT scope::text, name,
       CASE WHEN until IS NULL OR until > clock_timestamp() THEN value ELSE afterwards END AS weight
FROM policies
WHERE field = 'weight' AND scope <> 'type'
