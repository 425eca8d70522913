-- Waits until no claim is under way, and lets none begin before this transaction ends: see
-- claim_gate in migrations/0001_schema.sql.
LOCK TABLE claim_gate IN EXCLUSIVE MODE
