-- jobs, the workers that run them, and the counts people watch
-- depends:

-- migrate: apply
CREATE TYPE job_status AS ENUM ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED');

-- Domains are checked when a value comes in; a CHECK on the table would be paid again at every status change. The length is no part
-- of the pattern: `{0,127}` costs 5 to 13 µs a value, `*` costs 0.2. Names are compared byte by byte: in an index, the rules of a language
-- cost a sixth of a job's time with 1,000 tenants, and may change with the system's libraries.
CREATE DOMAIN tenant_name AS text COLLATE "C" CHECK (VALUE ~ '^[A-Za-z0-9][A-Za-z0-9_.:@-]*$' AND length(VALUE) <= 128);
CREATE DOMAIN type_name AS text COLLATE "C" CHECK (VALUE ~ '^[A-Za-z0-9][A-Za-z0-9_.:/-]*$' AND length(VALUE) <= 128);
CREATE DOMAIN attempt_limit AS int CHECK (VALUE BETWEEN 1 AND 1000);
CREATE DOMAIN timeout_ms AS int CHECK (VALUE BETWEEN 1 AND 86400000);
CREATE DOMAIN priority AS smallint CHECK (VALUE BETWEEN -100 AND 100);

-- RFC 9562 version 7: 48 bits of milliseconds, then random bits. PostgreSQL has uuidv7() only from 18 on.
CREATE FUNCTION monoq_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6),
            52, 1), 53, 1), 'hex')::uuid
$$;

CREATE TABLE workers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text        NOT NULL,
    slots      int         NOT NULL CHECK (slots > 0),
    types      text[]      NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    beat_at    timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

-- What indexes and triggers look at comes first, and what may be NULL last: to find a column of a row, PostgreSQL walks all of those
-- before it from the first text or NULL on.
CREATE TABLE jobs (
    id              uuid PRIMARY KEY WITH (fillfactor = 50) DEFAULT monoq_uuid7(),
    changed_xid     xid8          NOT NULL DEFAULT pg_current_xact_id(),
    run_at          timestamptz   NOT NULL DEFAULT now(),
    priority        priority      NOT NULL DEFAULT 0, -- the lower runs first, within its tenant
    status          job_status    NOT NULL DEFAULT 'PENDING',
    tenant_id       tenant_name   NOT NULL,
    created_at      timestamptz   NOT NULL DEFAULT now(),
    updated_at      timestamptz   NOT NULL DEFAULT now(),
    version         int           NOT NULL DEFAULT 1,
    claim           int           NOT NULL DEFAULT 0,
    attempts        int           NOT NULL DEFAULT 0,
    lost            int           NOT NULL DEFAULT 0, -- from 1 on a suspect, which runs alone; at 3 it has killed its process once too often
    deaths          int           NOT NULL DEFAULT 0, -- workers that died while it was in their hands
    type            type_name     NOT NULL,
    payload         jsonb         NOT NULL DEFAULT '{}',
    errors          jsonb         NOT NULL DEFAULT '[]',
    started_at      timestamptz,
    finished_at     timestamptz,
    deadline_at     timestamptz,
    worker_id       bigint,
    max_attempts    attempt_limit, -- NULL: what the handler says
    timeout_ms      timeout_ms,    -- NULL: what the handler says
    result          jsonb,
    progress        jsonb,
    error           text,
    idempotency_key text,
    request_hash    bytea, -- of the request that brought the key: another request with the same key is a conflict

    CONSTRAINT running_has_a_worker_and_a_deadline
        CHECK ((status = 'RUNNING') = (worker_id IS NOT NULL AND deadline_at IS NOT NULL)),
    CONSTRAINT only_running_has_a_worker
        CHECK (worker_id IS NULL OR status = 'RUNNING'),
    CONSTRAINT terminal_is_finished
        CHECK ((status IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (finished_at IS NOT NULL))
) WITH (
    -- Every job is updated twice: leave room on its page (the second update prunes what the first left), and clean up early, in
    -- small bites.
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 1,
    autovacuum_analyze_scale_factor = 0.05
);

-- By the time a job is done, it has three entries here and in the primary key, side by side: without room for them each page is
-- searched for dead entries and then split, a twentieth of a claim and an end.
CREATE INDEX jobs_of_tenant ON jobs (tenant_id, type, id) WITH (fillfactor = 50);
CREATE INDEX jobs_changed ON jobs (tenant_id, changed_xid);
CREATE INDEX jobs_waiting ON jobs (tenant_id, priority, run_at) WHERE status = 'PENDING';
CREATE INDEX jobs_running ON jobs (worker_id) WHERE status = 'RUNNING';
CREATE INDEX jobs_ended_badly ON jobs (tenant_id, id) WHERE status IN ('FAILED', 'CANCELLED');
CREATE UNIQUE INDEX jobs_idempotency ON jobs (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Counts per tenant and status. Triggers append what each statement moved, in its own transaction, so that a count cannot
-- drift whoever writes; upkeep folds the changes into the totals. Nobody ever locks a total that others wait for.
CREATE TABLE job_counts (
    tenant_id text       NOT NULL COLLATE "C",
    status    job_status NOT NULL,
    jobs      bigint     NOT NULL,
    PRIMARY KEY (tenant_id, status)
);
CREATE TABLE job_count_changes (
    tenant_id text       NOT NULL COLLATE "C",
    status    job_status NOT NULL,
    jobs      bigint     NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE FUNCTION count_inserted_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_count_changes SELECT tenant_id, status, count(*) FROM added GROUP BY 1, 2;
    RETURN NULL;
END $$;
CREATE FUNCTION count_deleted_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_count_changes SELECT tenant_id, status, -count(*) FROM removed GROUP BY 1, 2;
    RETURN NULL;
END $$;
CREATE FUNCTION count_updated_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_count_changes
    SELECT tenant_id, status, sum(moved)
    FROM (SELECT tenant_id, status, 1 AS moved FROM added UNION ALL SELECT tenant_id, status, -1 FROM removed) AS moves
    GROUP BY 1, 2
    HAVING sum(moved) <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER count_inserted_jobs AFTER INSERT ON jobs REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_inserted_jobs();
CREATE TRIGGER count_deleted_jobs AFTER DELETE ON jobs REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_deleted_jobs();
CREATE TRIGGER count_updated_jobs AFTER UPDATE ON jobs REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_updated_jobs();

-- The stream of changes, one row. Cursors hold for one `id` only: after putting back a disk or a virtual machine, give it a new one by
-- hand (restored dumps, points in time and failovers are noticed without it). Whoever deletes jobs raises `floor` above their
-- changed_xid in the same transaction: cursors below it are refused.
CREATE TABLE stream (
    id    uuid NOT NULL DEFAULT gen_random_uuid(),
    floor xid8 NOT NULL DEFAULT '0'
);
CREATE UNIQUE INDEX stream_has_one_row ON stream ((true));
INSERT INTO stream DEFAULT VALUES;

-- Submit from any language, inside any transaction: after the commit the stager finds the row.
CREATE FUNCTION monoq_submit(tenant text, type text, payload jsonb DEFAULT '{}', delay interval DEFAULT '0') RETURNS uuid
LANGUAGE sql VOLATILE AS $$
    INSERT INTO jobs (tenant_id, type, payload, run_at) VALUES (tenant, type, payload, now() + delay) RETURNING id
$$;

-- migrate: rollback
DROP FUNCTION monoq_submit(text, text, jsonb, interval);
DROP TABLE jobs, workers, job_counts, job_count_changes, stream;
DROP FUNCTION count_inserted_jobs(), count_deleted_jobs(), count_updated_jobs(), monoq_uuid7();
DROP DOMAIN tenant_name, type_name, attempt_limit, timeout_ms, priority;
DROP TYPE job_status;
