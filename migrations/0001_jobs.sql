-- jobs, the workers that run them, and the stream of their changes
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
-- The body is bound when it is created, so a session with another search_path, or with functions of these names, gets the same.
CREATE FUNCTION monoq_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN encode(
    set_bit(set_bit(
        overlay(uuid_send(gen_random_uuid())
                PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid;

-- A row per process start. `host`, `pid` and `pid_started` let a process on the same host prove that a worker is dead
-- (monoq/upkeep/deaths.py). `declared_lost`: its jobs were taken from it, so this id never comes back.
CREATE TABLE workers (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text        NOT NULL,
    host          text,
    pid           int,
    pid_started   bigint,
    slots         int         NOT NULL CHECK (slots > 0),
    threads       int         NOT NULL DEFAULT 0,
    children      int         NOT NULL DEFAULT 0,
    loop_types    text[]      NOT NULL DEFAULT '{}', -- async handlers
    thread_types  text[]      NOT NULL DEFAULT '{}', -- plain functions
    child_types   text[]      NOT NULL DEFAULT '{}', -- isolated handlers
    hung_handlers int         NOT NULL DEFAULT 0,
    declared_lost boolean     NOT NULL DEFAULT false,
    started_at    timestamptz NOT NULL DEFAULT now(),
    beat_at       timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL
);

-- What indexes and triggers look at comes first, and what may be NULL last: to find a column of a row, PostgreSQL walks all of those
-- before it from the first text or NULL on.
CREATE TABLE jobs (
    id              uuid PRIMARY KEY DEFAULT monoq_uuid7(),
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
    lost            int           NOT NULL DEFAULT 0, -- child processes of its own that died while its handler ran
    deaths          int           NOT NULL DEFAULT 0, -- other deaths with the job in hand, of a worker above all
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
    -- An index on a condition that names the status would make every change of status dearer. This is false until it is true.
    ended_badly     boolean NOT NULL GENERATED ALWAYS AS (status IN ('FAILED', 'CANCELLED')) STORED,

    CONSTRAINT running_has_a_worker_and_a_deadline
        CHECK ((status = 'RUNNING') = (worker_id IS NOT NULL AND deadline_at IS NOT NULL)),
    CONSTRAINT only_running_has_a_worker
        CHECK (worker_id IS NULL OR status = 'RUNNING'),
    CONSTRAINT terminal_is_finished
        CHECK ((status IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (finished_at IS NOT NULL))
) WITH (
    -- Every job is updated twice. Pages are filled so far that a claimed version, which is longer by a worker, a start and a deadline,
    -- has room beside each new row; an end finds the place that the first version leaves. And clean up early, in small bites.
    fillfactor = 42,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 1,
    autovacuum_analyze_scale_factor = 0.05
);

-- Not compressed: so a row tells how large its payload is without reading it, and a claim can leave out the large ones.
ALTER TABLE jobs ALTER payload SET STORAGE EXTERNAL, ALTER result SET STORAGE EXTERNAL;

-- No index has a column that a claim or a good end changes: such an update is a heap-only tuple (HOT), a new version of the row on the
-- same page and no entry in any index. Which jobs wait, run and changed stands in the tables of 0002_companions.sql.
CREATE INDEX jobs_of_tenant ON jobs (tenant_id, type, id); -- list_jobs.sql
CREATE INDEX jobs_ended_badly ON jobs (tenant_id, id) WHERE ended_badly;
CREATE UNIQUE INDEX jobs_idempotency ON jobs (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The stream of changes, one row. Cursors hold for one `id` only: after putting back a disk or a virtual machine, give it a new one by
-- hand (restored dumps, points in time and failovers are noticed without it). Whoever deletes jobs raises `floor` above their
-- changed_xid in the same transaction: cursors below it are refused. Rows of job_changes below `kept_from` may be gone: who has not seen
-- them reads the table. `mark` becomes the next one, once it is old enough (retire_changes.sql).
CREATE TABLE stream (
    id        uuid        NOT NULL DEFAULT gen_random_uuid(),
    floor     xid8        NOT NULL DEFAULT '0',
    kept_from xid8        NOT NULL DEFAULT '0',
    mark      xid8        NOT NULL DEFAULT '0',
    marked_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX stream_has_one_row ON stream ((true));
INSERT INTO stream DEFAULT VALUES;

-- Submit from any language, inside any transaction: after the commit the stager finds the row. It runs with the rights and the names of
-- whoever installed monoq, so a role needs no more than EXECUTE.
CREATE FUNCTION monoq_submit(tenant text, type text, payload jsonb DEFAULT '{}', delay interval DEFAULT '0') RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.jobs (tenant_id, type, payload, run_at) VALUES (tenant, type, payload, now() + delay) RETURNING id
$$;

-- migrate: rollback
DROP FUNCTION monoq_submit(text, text, jsonb, interval);
DROP TABLE jobs, workers, stream;
DROP FUNCTION monoq_uuid7();
DROP DOMAIN tenant_name, type_name, attempt_limit, timeout_ms, priority;
DROP TYPE job_status;
