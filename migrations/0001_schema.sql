-- The whole schema: jobs and the workers that run them, then the tables and triggers that follow jobs.
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
-- same page and no entry in any index. Which jobs wait, run and changed is in tables of their own, below.
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

-- What follows: tables that say which jobs wait, run and changed. As indexes of `jobs` they would make every change of a status dearer.
-- Triggers keep these tables, whoever writes, in the transaction of the change: they are indexes that happen to be tables, and nothing else
-- may write them, except what promotes, folds and prunes.

-- The jobs that are PENDING and due, one row each: what the stager chooses from. Each look reads the first rows of the index for a type
-- and a tenant, so it never meets a job that is not due or that no worker can run. `suspect`: it runs alone, in a process of its own.
CREATE TABLE waiting_jobs (
    id        uuid        PRIMARY KEY,
    run_at    timestamptz NOT NULL,
    priority  smallint    NOT NULL,
    suspect   boolean     NOT NULL,
    tenant_id text        NOT NULL COLLATE "C",
    type      text        NOT NULL COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX waiting_jobs_next ON waiting_jobs (suspect, type, tenant_id, priority, run_at, id);

-- The jobs that are PENDING and not due yet. The promoter moves them to waiting_jobs when their time comes.
CREATE TABLE delayed_jobs (
    id        uuid        PRIMARY KEY,
    run_at    timestamptz NOT NULL,
    tenant_id text        NOT NULL COLLATE "C",
    type      text        NOT NULL COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX delayed_jobs_next ON delayed_jobs (run_at);
CREATE INDEX delayed_jobs_of_tenant ON delayed_jobs (tenant_id, id);

-- What workers took, a row a claim: every RUNNING job is in a row of its worker. More may be: a row goes when none of its jobs runs any
-- more, and each worker folds its own into one.
CREATE TABLE claims (
    worker_id bigint NOT NULL,
    ids       uuid[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- Which jobs have which `changed_xid`, a row for each statement, tenant and status. Only for a while: see stream.kept_from.
CREATE TABLE job_changes (
    changed_xid xid8   NOT NULL DEFAULT pg_current_xact_id(),
    tenant_id   text   NOT NULL COLLATE "C",
    ids         uuid[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX job_changes_of_tenant ON job_changes (tenant_id, changed_xid);

ALTER TABLE claims ALTER ids SET STORAGE EXTERNAL; -- ids do not compress
ALTER TABLE job_changes ALTER ids SET STORAGE EXTERNAL;

-- Counts per tenant and status. Triggers append what each statement moved, so that a count cannot drift whoever writes; upkeep folds the
-- changes into the totals. Nobody ever locks a total that others wait for.
CREATE TABLE job_counts (
    tenant_id text       NOT NULL COLLATE "C",
    status    job_status NOT NULL,
    jobs      bigint     NOT NULL,
    PRIMARY KEY (tenant_id, status)
) WITH (fillfactor = 50); -- every row of a busy tenant is written once a second
CREATE TABLE job_totals (
    status job_status PRIMARY KEY,
    jobs   bigint     NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
CREATE TABLE job_count_changes (
    tenant_id text       NOT NULL COLLATE "C",
    status    job_status NOT NULL,
    jobs      bigint     NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- A publication FOR ALL TABLES would forbid every DELETE from a table without a key.
ALTER TABLE stream REPLICA IDENTITY FULL;
ALTER TABLE claims REPLICA IDENTITY FULL;
ALTER TABLE job_changes REPLICA IDENTITY FULL;
ALTER TABLE job_count_changes REPLICA IDENTITY FULL;

-- Each trigger is one statement in the usual case: one more costs a small batch as much as a job. They run with the rights and the names of
-- whoever installed monoq: a session may have tables of its own by these names, and a role may be allowed to write `jobs` alone.
CREATE FUNCTION follow_inserted_jobs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH moved AS MATERIALIZED (
        SELECT tenant_id, status, count(*) AS jobs, array_agg(id) AS ids FROM added GROUP BY 1, 2
    ), now_waiting AS (
        INSERT INTO public.waiting_jobs (id, run_at, priority, suspect, tenant_id, type)
        SELECT id, run_at, priority, lost + deaths > 0, tenant_id, type FROM added WHERE status = 'PENDING' AND run_at <= now()
    ), now_delayed AS (
        INSERT INTO public.delayed_jobs (id, run_at, tenant_id, type)
        SELECT id, run_at, tenant_id, type FROM added WHERE status = 'PENDING' AND run_at > now()
    ), now_running AS (
        INSERT INTO public.claims (worker_id, ids)
        SELECT worker_id, array_agg(id) FROM added WHERE status = 'RUNNING' GROUP BY worker_id
    ), changed AS (
        INSERT INTO public.job_changes (tenant_id, ids) SELECT tenant_id, ids FROM moved
    )
    INSERT INTO public.job_count_changes SELECT tenant_id, status, jobs FROM moved;
    RETURN NULL;
END $$;
CREATE FUNCTION follow_updated_jobs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    undue boolean;
BEGIN
    WITH moved AS MATERIALIZED (
        SELECT tenant_id, status, sum(n) AS jobs, array_agg(id) FILTER (WHERE changed_xid = pg_current_xact_id()) AS ids
        FROM (SELECT tenant_id, status, 1 AS n, id, changed_xid FROM added
              UNION ALL
              SELECT tenant_id, status, -1, NULL, NULL FROM removed) AS moves
        GROUP BY 1, 2
    ), no_longer_waiting AS (
        -- An array, not a join: whatever the planner thinks of the table, it looks the ids up in the primary key.
        DELETE FROM public.waiting_jobs WHERE id = ANY (ARRAY(SELECT id FROM removed WHERE status = 'PENDING')) RETURNING id
    ), now_waiting AS (
        INSERT INTO public.waiting_jobs (id, run_at, priority, suspect, tenant_id, type)
        SELECT id, run_at, priority, lost + deaths > 0, tenant_id, type FROM added
        WHERE status = 'PENDING' AND run_at <= now()
          AND (SELECT count(*) FROM no_longer_waiting) >= 0 -- after it: who still waits has a row there
    ), now_running AS (
        INSERT INTO public.claims (worker_id, ids)
        SELECT worker_id, array_agg(id) FROM added WHERE status = 'RUNNING' GROUP BY worker_id
    ), changed AS (
        INSERT INTO public.job_changes (tenant_id, ids) SELECT tenant_id, ids FROM moved WHERE ids IS NOT NULL
    ), counted AS (
        INSERT INTO public.job_count_changes SELECT tenant_id, status, jobs FROM moved WHERE jobs <> 0
    )
    SELECT (SELECT count(*) FROM no_longer_waiting) < (SELECT count(*) FROM removed WHERE status = 'PENDING')
           OR EXISTS (SELECT FROM added WHERE status = 'PENDING' AND run_at > now())
    INTO undue;
    IF undue THEN
        DELETE FROM public.delayed_jobs WHERE id = ANY (ARRAY(SELECT id FROM removed WHERE status = 'PENDING'));
        INSERT INTO public.delayed_jobs (id, run_at, tenant_id, type)
        SELECT id, run_at, tenant_id, type FROM added WHERE status = 'PENDING' AND run_at > now();
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION follow_deleted_jobs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH no_longer_waiting AS (
        DELETE FROM public.waiting_jobs WHERE id = ANY (ARRAY(SELECT id FROM removed WHERE status = 'PENDING'))
    ), no_longer_delayed AS (
        DELETE FROM public.delayed_jobs WHERE id = ANY (ARRAY(SELECT id FROM removed WHERE status = 'PENDING'))
    )
    INSERT INTO public.job_count_changes SELECT tenant_id, status, -count(*) FROM removed GROUP BY 1, 2;
    RETURN NULL;
END $$;
CREATE FUNCTION follow_truncated_jobs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    TRUNCATE public.waiting_jobs, public.delayed_jobs, public.claims, public.job_changes,
             public.job_counts, public.job_totals, public.job_count_changes;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_inserted_jobs AFTER INSERT ON jobs REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION follow_inserted_jobs();
CREATE TRIGGER follow_updated_jobs AFTER UPDATE ON jobs REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION follow_updated_jobs();
CREATE TRIGGER follow_deleted_jobs AFTER DELETE ON jobs REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION follow_deleted_jobs();
CREATE TRIGGER follow_truncated_jobs AFTER TRUNCATE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION follow_truncated_jobs();

-- migrate: rollback
DROP FUNCTION follow_inserted_jobs(), follow_updated_jobs(), follow_deleted_jobs(), follow_truncated_jobs() CASCADE;
DROP TABLE waiting_jobs, delayed_jobs, claims, job_changes, job_counts, job_totals, job_count_changes;
DROP FUNCTION monoq_submit(text, text, jsonb, interval);
DROP TABLE jobs, workers, stream;
DROP FUNCTION monoq_uuid7();
DROP DOMAIN tenant_name, type_name, attempt_limit, timeout_ms, priority;
DROP TYPE job_status;
