-- The workers of this host whose lease is valid. A name is `host:pid`.
SELECT id FROM workers WHERE expires_at > now() AND starts_with(name, $1 || ':') ORDER BY id
