-- Writes down every change of a job that the invariants forbid (I2 final, I4 monotone, I5 edges);
-- it changes and refuses nothing.
CREATE TABLE violations (id uuid, rule text, was jsonb, became jsonb, at timestamptz DEFAULT clock_timestamp());

CREATE FUNCTION watch_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken text := CASE
        WHEN new.claim < old.claim THEN 'a claim fell'
        WHEN new.claim <> old.claim + (CASE WHEN old.status = 'PENDING' AND new.status = 'RUNNING' THEN 1 ELSE 0 END) THEN 'a claim jumped'
        WHEN new.version <> old.version + 1 THEN 'the version did not grow by one'
        WHEN new.changed_xid = old.changed_xid THEN 'changed twice in one transaction'
        WHEN old.status = 'COMPLETED' THEN 'a completed job changed'
        WHEN old.status IN ('FAILED', 'CANCELLED') AND new.status <> 'PENDING' THEN 'a terminal job changed'
        WHEN old.status = 'PENDING' AND new.status NOT IN ('RUNNING', 'CANCELLED') THEN 'no edge from PENDING'
        WHEN new.attempts < 0 THEN 'attempts below zero'
    END;
BEGIN
    IF broken IS NOT NULL THEN
        INSERT INTO violations (id, rule, was, became) VALUES (old.id, broken, to_jsonb(old), to_jsonb(new));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER watch_jobs AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION watch_jobs();
