-- The payloads that a claim left out because of their size.
SELECT id, payload FROM jobs WHERE id = ANY ($1::uuid[])
