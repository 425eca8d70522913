-- The whole schema: jobs and their workers, then the tables and triggers that follow jobs.
-- depends:

-- migrate: apply
CREATE TYPE job_status AS ENUM ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED');

-- Domains are checked when a value comes in; a CHECK on the table would be paid again at every
-- status change. The length is no part of the pattern: `{0,127}` costs 5 to 13 µs a value, `*`
-- costs 0.2. Names are compared byte by byte: in an index, the rules of a language cost a sixth of
-- a job's time with 1,000 tenants, and may change with the system's libraries.
CREATE DOMAIN tenant_name AS text COLLATE "C" CHECK (VALUE ~ '^[A-Za-z0-9][A-Za-z0-9_.:@-]*$' AND length(VALUE) <= 128);
CREATE DOMAIN type_name AS text COLLATE "C" CHECK (VALUE ~ '^[A-Za-z0-9][A-Za-z0-9_.:/-]*$' AND length(VALUE) <= 128);
CREATE DOMAIN attempt_limit AS int CHECK (VALUE BETWEEN 1 AND 1000);
CREATE DOMAIN timeout_ms AS int CHECK (VALUE BETWEEN 1 AND 86400000);
CREATE DOMAIN callback_url AS text CHECK (VALUE ~ '^https?://[!-~]*$' AND length(VALUE) <= 2048);
CREATE DOMAIN job_key AS text COLLATE "C" CHECK (VALUE <> '' AND length(VALUE) <= 256);
-- Names and values by which people find a job: {"order": "17"}.
CREATE FUNCTION monoq_are_tags(tags jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(tags) = 'object'
            THEN (SELECT count(*) <= 8 AND coalesce(bool_and(
                             name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]*$' AND length(name) <= 64 AND jsonb_typeof(value) = 'string'
                             AND length(value #>> '{}') BETWEEN 1 AND 256), true)
                  FROM jsonb_each(tags) AS tag (name, value))
            ELSE false END;
CREATE DOMAIN tag_set AS jsonb CHECK (monoq_are_tags(VALUE));
CREATE DOMAIN priority AS smallint CHECK (VALUE BETWEEN -100 AND 100);

-- RFC 9562 version 7: 48 bits of milliseconds, then random bits. PostgreSQL has uuidv7() only from
-- 18 on.
-- The body is bound when it is created, so a session with another search_path, or with functions of
-- these names, gets the same.
CREATE FUNCTION monoq_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN encode(
    set_bit(set_bit(
        overlay(uuid_send(gen_random_uuid())
                PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid;

-- A row per process start. `host`, `pid` and `pid_started` let a process on the same host prove
-- that a worker is dead (monoq/upkeep/deaths.py). `declared_lost`: its jobs were taken from it, so
-- this id never comes back. `draining`: the worker claims no jobs. The claim itself checks it, so a
-- change is in force from its commit on; the worker reads it with its next heartbeat.
CREATE TABLE workers (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text        NOT NULL,
    host          text,
    pid           int,
    pid_started   bigint,
    version       text, -- of monoq
    slots         int         NOT NULL CHECK (slots > 0),
    threads       int         NOT NULL DEFAULT 0,
    children      int         NOT NULL DEFAULT 0,
    loop_types    text[]      NOT NULL DEFAULT '{}', -- async handlers
    thread_types  text[]      NOT NULL DEFAULT '{}', -- plain functions
    child_types   text[]      NOT NULL DEFAULT '{}', -- isolated handlers
    hung_handlers int         NOT NULL DEFAULT 0,
    run_s         float8[]    NOT NULL DEFAULT '{}', -- mean seconds of its runs: of loop_types, thread_types, child_types; NULL: not known
    declared_lost boolean     NOT NULL DEFAULT false,
    draining      boolean     NOT NULL DEFAULT false,
    started_at    timestamptz NOT NULL DEFAULT now(),
    beat_at       timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL
);

-- What indexes and triggers look at comes first, and what may be NULL last: to find a column of a
-- row, PostgreSQL walks all of those before it from the first text or NULL on.
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
    crashes         int           NOT NULL DEFAULT 0, -- child processes of its own that died while its handler ran
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
    error           text,
    idempotency_key text,
    request_hash    bytea, -- of the request that brought the key: another request with the same key is a conflict
    callback_url    callback_url, -- who is told when it has ended
    key             job_key, -- of a tenant's jobs with the same key one runs at a time, in the order of their submits
    tags            tag_set,
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

-- Not compressed: so a row tells how large its payload is without reading it, and a claim can leave
-- out the large ones.
ALTER TABLE jobs ALTER payload SET STORAGE EXTERNAL, ALTER result SET STORAGE EXTERNAL;

-- No index has a column that a claim or a good end changes: such an update is a heap-only tuple
-- (HOT), a new version of the row on the same page and no entry in any index. Which jobs wait, run
-- and changed is in tables of their own, below.
CREATE INDEX jobs_of_tenant ON jobs (tenant_id, type, id); -- list_jobs.sql
CREATE INDEX jobs_ended_badly ON jobs (tenant_id, id) WHERE ended_badly;

-- The stream of changes, one row. Cursors hold for one `id` only: after putting back a disk or a
-- virtual machine, give it a new one by hand (restored dumps, points in time and failovers are
-- noticed without it). Whoever deletes jobs raises `floor` above their changed_xid in the same
-- transaction: cursors below it are refused. Rows of job_changes below `kept_from` may be gone: who
-- has not seen them reads the table. `mark` becomes the next one, once it is old enough
-- (retire_changes.sql).
CREATE TABLE stream (
    id        uuid        NOT NULL DEFAULT gen_random_uuid(),
    floor     xid8        NOT NULL DEFAULT '0',
    kept_from xid8        NOT NULL DEFAULT '0',
    mark      xid8        NOT NULL DEFAULT '0',
    marked_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX stream_has_one_row ON stream ((true));
INSERT INTO stream DEFAULT VALUES;

-- Submit from any language, inside any transaction: after the commit the stager finds the row. It
-- runs with the rights and the names of whoever installed monoq, so a role needs no more than
-- EXECUTE.
CREATE FUNCTION monoq_submit(
    tenant text, type text, payload jsonb DEFAULT '{}', delay interval DEFAULT '0', callback_url text DEFAULT NULL,
    key text DEFAULT NULL, idempotency_key text DEFAULT NULL, tags jsonb DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    job uuid;
BEGIN
    INSERT INTO public.jobs (tenant_id, type, payload, run_at, callback_url, key, idempotency_key, tags)
    VALUES (tenant, type, payload, now() + delay, callback_url, key, idempotency_key, tags)
    RETURNING id INTO job;
    IF job IS NULL THEN -- the key was used before: the first job's id
        SELECT used.job_id INTO job FROM public.idempotency_keys AS used
        WHERE used.tenant_id = monoq_submit.tenant AND used.key = monoq_submit.idempotency_key;
    END IF;
    RETURN job;
END $$;

-- What follows: tables that say which jobs wait, run and changed. As indexes of `jobs` they would
-- make every change of a status dearer.
-- Triggers keep these tables, whoever writes, in the transaction of the change: they are indexes
-- that happen to be tables, and nothing else may write them, except what promotes, folds and
-- prunes.

-- The jobs that are PENDING and due, one row each: what the stager chooses from. Each look reads
-- the first rows of the index for a type and a tenant, so it never meets a job that is not due or
-- that no worker can run. `suspect`: it runs alone, in a process of its own.
CREATE TABLE waiting_jobs (
    id        uuid        PRIMARY KEY,
    run_at    timestamptz NOT NULL,
    priority  smallint    NOT NULL,
    suspect   boolean     NOT NULL,
    tenant_id text        NOT NULL COLLATE "C",
    type      text        NOT NULL COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX waiting_jobs_next ON waiting_jobs (suspect, type, tenant_id, priority, run_at, id);

-- The jobs that are PENDING and not due yet. The promoter moves them to waiting_jobs when their
-- time comes.
CREATE TABLE delayed_jobs (
    id        uuid        PRIMARY KEY,
    run_at    timestamptz NOT NULL,
    tenant_id text        NOT NULL COLLATE "C",
    type      text        NOT NULL COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX delayed_jobs_next ON delayed_jobs (run_at);
CREATE INDEX delayed_jobs_of_tenant ON delayed_jobs (tenant_id, id);

-- What workers took, a row a claim: every RUNNING job is in a row of its worker. More may be: a row
-- goes when none of its jobs runs any more, and each worker folds its own into one. `xid`: the
-- transaction of the claim, which its worker knows it by.
CREATE TABLE claims (
    worker_id bigint NOT NULL,
    xid       bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    ids       uuid[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- Which jobs have which `changed_xid`, a row for each statement, tenant and status. Only for a
-- while: see stream.kept_from.
CREATE TABLE job_changes (
    changed_xid xid8   NOT NULL DEFAULT pg_current_xact_id(),
    tenant_id   text   NOT NULL COLLATE "C",
    ids         uuid[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX job_changes_of_tenant ON job_changes (tenant_id, changed_xid);

ALTER TABLE claims ALTER ids SET STORAGE EXTERNAL; -- ids do not compress
ALTER TABLE job_changes ALTER ids SET STORAGE EXTERNAL;

-- Keys of which a job waits or runs, each with the one job that may (`holder`), and the jobs behind
-- it, in their order. These are PENDING, but have no row in waiting_jobs or delayed_jobs, and no
-- claim takes them. A row of job_keys is the lock of its key: whoever enters or leaves it holds
-- this row first, those of a statement in the order of their names.
CREATE TABLE job_keys (
    tenant_id text NOT NULL COLLATE "C",
    key       text NOT NULL COLLATE "C",
    holder    uuid NOT NULL,
    PRIMARY KEY (tenant_id, key)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 1);
CREATE TABLE keyed_jobs (
    id        uuid   PRIMARY KEY,
    place     bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id text   NOT NULL COLLATE "C",
    key       text   NOT NULL COLLATE "C",
    type      text   NOT NULL COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX keyed_jobs_next ON keyed_jobs (tenant_id, key, place);
CREATE INDEX keyed_jobs_of_tenant ON keyed_jobs (tenant_id, id);

-- Counts per tenant, type and status. Triggers append what each statement moved, so that a count
-- cannot drift whoever writes; upkeep folds the changes into the totals. Nobody ever locks a total
-- that others wait for.
CREATE TABLE job_counts (
    tenant_id text       NOT NULL COLLATE "C",
    type      text       NOT NULL COLLATE "C",
    status    job_status NOT NULL,
    jobs      bigint     NOT NULL,
    PRIMARY KEY (tenant_id, type, status)
) WITH (fillfactor = 50); -- every row of a busy tenant is written once a second
CREATE TABLE job_totals (
    type   text       NOT NULL COLLATE "C",
    status job_status NOT NULL,
    jobs   bigint     NOT NULL,
    PRIMARY KEY (type, status)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
CREATE TABLE job_count_changes (
    tenant_id text        NOT NULL COLLATE "C",
    type      text        NOT NULL COLLATE "C",
    status    job_status  NOT NULL,
    jobs      bigint      NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    submitted int         NOT NULL DEFAULT 0, -- of these jobs, for the history
    retried   int         NOT NULL DEFAULT 0  -- runs that failed and whose jobs wait for another attempt
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- What running jobs say of themselves: how far they are, and lines of a log. In tables of their
-- own: a job that says nothing pays nothing, and one that speaks ten times a second makes no
-- versions of its row in `jobs`. `claim`: which run said it.
CREATE TABLE job_progress (
    job_id   uuid        PRIMARY KEY,
    claim    int         NOT NULL,
    fraction float8      NOT NULL,
    text     text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 1);
CREATE TABLE job_log_lines (
    job_id  uuid        NOT NULL,
    id      bigint      GENERATED ALWAYS AS IDENTITY, -- grows: the offset from which a reader goes on
    attempt int         NOT NULL,
    at      timestamptz NOT NULL,
    text    text        NOT NULL,
    fields  jsonb,
    PRIMARY KEY (job_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 1);

-- A publication FOR ALL TABLES would forbid every DELETE from a table without a key.
ALTER TABLE stream REPLICA IDENTITY FULL;
ALTER TABLE claims REPLICA IDENTITY FULL;
ALTER TABLE job_changes REPLICA IDENTITY FULL;
ALTER TABLE job_count_changes REPLICA IDENTITY FULL;

-- The id of the webhook that tells of a job's end: the same for this version of the job, so an end
-- has one. A UUID of version 7, as of this transaction.
CREATE FUNCTION callback_id(job uuid, version int) RETURNS uuid LANGUAGE sql STABLE
RETURN encode(
    set_bit(set_bit(set_bit(set_bit(set_bit(set_bit(
        overlay(decode(md5(job::text || ':' || version), 'hex')
                PLACING substring(int8send((extract(epoch FROM now()) * 1000)::bigint) FROM 3)
                FROM 1 FOR 6),
        52, 1), 53, 1), 54, 1), 55, 0), 71, 1), 70, 0), 'hex')::uuid;

-- These jobs wait for their keys from now on, each behind those that came before it.
CREATE FUNCTION enter_keys(entering uuid[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH entered AS MATERIALIZED (
        SELECT id, tenant_id, key, type, row_number() OVER (PARTITION BY tenant_id, key ORDER BY id) AS n
        FROM public.jobs WHERE id = ANY (entering) AND key IS NOT NULL AND finished_at IS NULL
    ), held AS (
        INSERT INTO public.job_keys AS keys (tenant_id, key, holder)
        SELECT tenant_id, key, id FROM entered WHERE n = 1 ORDER BY tenant_id, key
        ON CONFLICT (tenant_id, key) DO UPDATE SET holder = keys.holder -- unchanged: it takes the lock and tells who it is
        RETURNING tenant_id, key, holder
    )
    INSERT INTO public.keyed_jobs (id, tenant_id, key, type)
    SELECT entered.id, entered.tenant_id, entered.key, entered.type
    FROM entered JOIN held ON held.tenant_id = entered.tenant_id AND held.key = entered.key
    WHERE entered.id <> held.holder
    ORDER BY entered.id;
$$;

-- These jobs have ended, or are gone: the next one of each key may run. In statements of their own,
-- so that each sees what was committed while the one before it waited for its locks.
CREATE FUNCTION leave_keys(leaving uuid[], tenants text[], keys text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.job_keys
    WHERE (job_keys.tenant_id, job_keys.key) IN (SELECT * FROM unnest(tenants, keys))
    ORDER BY job_keys.tenant_id, job_keys.key FOR UPDATE;
    DELETE FROM public.keyed_jobs WHERE id = ANY (leaving);
    -- One that became the next while it was being cancelled has a row here.
    DELETE FROM public.waiting_jobs WHERE id = ANY (leaving);
    DELETE FROM public.delayed_jobs WHERE id = ANY (leaving);
    WITH freed AS MATERIALIZED (
        SELECT job_keys.tenant_id, job_keys.key, next.id
        FROM public.job_keys LEFT JOIN LATERAL (
            SELECT keyed_jobs.id FROM public.keyed_jobs
            WHERE keyed_jobs.tenant_id = job_keys.tenant_id AND keyed_jobs.key = job_keys.key
            ORDER BY keyed_jobs.place LIMIT 1
        ) AS next ON true
        WHERE (job_keys.tenant_id, job_keys.key) IN (SELECT * FROM unnest(tenants, keys)) AND job_keys.holder = ANY (leaving)
    ), moved_up AS (
        UPDATE public.job_keys SET holder = freed.id
        FROM freed WHERE freed.id IS NOT NULL AND job_keys.tenant_id = freed.tenant_id AND job_keys.key = freed.key
    ), let_go AS (
        DELETE FROM public.job_keys USING freed
        WHERE freed.id IS NULL AND job_keys.tenant_id = freed.tenant_id AND job_keys.key = freed.key
    ), no_longer_behind AS (
        DELETE FROM public.keyed_jobs WHERE id = ANY (ARRAY(SELECT id FROM freed WHERE id IS NOT NULL))
    ), next_jobs AS MATERIALIZED (
        SELECT jobs.* FROM public.jobs WHERE id = ANY (ARRAY(SELECT id FROM freed WHERE id IS NOT NULL)) AND status = 'PENDING'
    ), now_waiting AS (
        INSERT INTO public.waiting_jobs (id, run_at, priority, suspect, tenant_id, type)
        SELECT id, run_at, priority, crashes + deaths > 0, tenant_id, type FROM next_jobs WHERE run_at <= now()
    )
    INSERT INTO public.delayed_jobs (id, run_at, tenant_id, type)
    SELECT id, run_at, tenant_id, type FROM next_jobs WHERE run_at > now();
END $$;

-- Who is told of the end of each job of a type, unless the job names somebody itself; as the worker
-- that started last has declared it. Not of a webhook: the end of a callback would make one more,
-- and so on for ever. A table of its own, beside job_types: where no type has one, it is empty.
CREATE TABLE type_callbacks (
    type type_name    PRIMARY KEY CHECK (type <> 'webhook'),
    url  callback_url NOT NULL
);

-- Each trigger is one statement in the usual case: one more costs a small batch as much as a job.
-- They run with the rights and the names of whoever installed monoq: a session may have tables of
-- its own by these names, and a role may be allowed to write `jobs` alone.
CREATE FUNCTION follow_inserted_jobs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keyed    boolean;
    found_by boolean;
BEGIN
    IF EXISTS (SELECT FROM public.policies WHERE field = 'max_waiting')
       AND current_setting('monoq.calling_back', true) IS DISTINCT FROM 'on' -- an end cannot be refused
    THEN
        PERFORM public.refuse_beyond_max_waiting(
            ARRAY(SELECT tenant_id::text FROM added WHERE status = 'PENDING' GROUP BY tenant_id ORDER BY tenant_id),
            ARRAY(SELECT count(*) FROM added WHERE status = 'PENDING' GROUP BY tenant_id ORDER BY tenant_id));
    END IF;
    SELECT coalesce(bool_or(key IS NOT NULL), false), coalesce(bool_or(tags IS NOT NULL OR finished_at IS NOT NULL), false)
    INTO keyed, found_by FROM added;
    IF keyed THEN
        PERFORM public.enter_keys(ARRAY(SELECT id FROM added WHERE key IS NOT NULL));
    END IF;
    IF found_by THEN
        INSERT INTO public.job_tags (tenant_id, tag, id)
        SELECT tenant_id, tag.name || ':' || tag.value, id FROM added, jsonb_each_text(added.tags) AS tag (name, value);
        INSERT INTO public.job_errors (tenant_id, error, id) SELECT tenant_id, left(error, 200), id FROM added WHERE ended_badly AND error IS NOT NULL;
    END IF;
    WITH moved AS MATERIALIZED (
        SELECT tenant_id, type, status, count(*) AS jobs, array_agg(id) AS ids FROM added GROUP BY 1, 2, 3
    ), now_waiting AS (
        INSERT INTO public.waiting_jobs (id, run_at, priority, suspect, tenant_id, type)
        SELECT id, run_at, priority, crashes + deaths > 0, tenant_id, type FROM added
        WHERE status = 'PENDING' AND run_at <= now()
          AND (key IS NULL OR EXISTS (SELECT FROM public.job_keys AS keys
                                      WHERE keys.tenant_id = added.tenant_id AND keys.key = added.key AND keys.holder = added.id))
    ), now_delayed AS (
        INSERT INTO public.delayed_jobs (id, run_at, tenant_id, type)
        SELECT id, run_at, tenant_id, type FROM added
        WHERE status = 'PENDING' AND run_at > now()
          AND (key IS NULL OR EXISTS (SELECT FROM public.job_keys AS keys
                                      WHERE keys.tenant_id = added.tenant_id AND keys.key = added.key AND keys.holder = added.id))
    ), now_running AS (
        INSERT INTO public.claims (worker_id, ids)
        SELECT worker_id, array_agg(id) FROM added WHERE status = 'RUNNING' GROUP BY worker_id
    ), changed AS (
        INSERT INTO public.job_changes (tenant_id, ids) SELECT tenant_id, ids FROM moved
    )
    INSERT INTO public.job_count_changes (tenant_id, type, status, jobs, submitted) SELECT tenant_id, type, status, jobs, jobs FROM moved;
    RETURN NULL;
END $$;
CREATE FUNCTION follow_updated_jobs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    undue boolean;
    ended boolean;
    told  boolean;
    keyed boolean;
    badly boolean;
BEGIN
    IF EXISTS (SELECT FROM removed WHERE finished_at IS NOT NULL) THEN -- revived
        IF EXISTS (SELECT FROM removed WHERE key IS NOT NULL) THEN
            PERFORM public.enter_keys(ARRAY(SELECT added.id FROM added JOIN removed USING (id)
                                            WHERE added.finished_at IS NULL AND removed.finished_at IS NOT NULL));
        END IF;
        DELETE FROM public.job_errors AS errors USING removed
        WHERE removed.ended_badly AND errors.tenant_id = removed.tenant_id AND errors.error = left(removed.error, 200)
          AND errors.id = removed.id;
    END IF;
    WITH moved AS MATERIALIZED (
        SELECT tenant_id, type, status, sum(n) AS jobs, array_agg(id) FILTER (WHERE changed_xid = pg_current_xact_id()) AS ids
        FROM (SELECT tenant_id, type, status, 1 AS n, id, changed_xid FROM added
              UNION ALL
              SELECT tenant_id, type, status, -1, NULL, NULL FROM removed) AS moves
        GROUP BY 1, 2, 3
    ), no_longer_waiting AS (
        -- An array, not a join: whatever the planner thinks of the table, it looks the ids up in the primary key.
        DELETE FROM public.waiting_jobs WHERE id = ANY (ARRAY(SELECT id FROM removed WHERE status = 'PENDING')) RETURNING id
    ), now_waiting AS (
        INSERT INTO public.waiting_jobs (id, run_at, priority, suspect, tenant_id, type)
        SELECT id, run_at, priority, crashes + deaths > 0, tenant_id, type FROM added
        WHERE status = 'PENDING' AND run_at <= now()
          AND (SELECT count(*) FROM no_longer_waiting) >= 0 -- after it: who still waits has a row there
          AND (key IS NULL OR EXISTS (SELECT FROM public.job_keys AS keys
                                      WHERE keys.tenant_id = added.tenant_id AND keys.key = added.key AND keys.holder = added.id))
    ), now_running AS (
        INSERT INTO public.claims (worker_id, ids)
        SELECT worker_id, array_agg(id) FROM added WHERE status = 'RUNNING' GROUP BY worker_id
    ), changed AS (
        INSERT INTO public.job_changes (tenant_id, ids) SELECT tenant_id, ids FROM moved WHERE ids IS NOT NULL
    ), counted AS (
        INSERT INTO public.job_count_changes SELECT tenant_id, type, status, jobs FROM moved WHERE jobs <> 0
    )
    SELECT (SELECT count(*) FROM no_longer_waiting) < (SELECT count(*) FROM removed WHERE status = 'PENDING')
           OR EXISTS (SELECT FROM added WHERE status = 'PENDING'),
           EXISTS (SELECT FROM added WHERE finished_at IS NOT NULL),
           EXISTS (SELECT FROM added WHERE callback_url IS NOT NULL AND finished_at IS NOT NULL),
           EXISTS (SELECT FROM added WHERE key IS NOT NULL AND finished_at IS NOT NULL),
           EXISTS (SELECT FROM added WHERE status IN ('FAILED', 'CANCELLED'))
    INTO undue, ended, told, keyed, badly;
    -- All that callbacks of types cost where there are none: one look at an empty table, in a statement that ends jobs.
    IF ended AND NOT told AND EXISTS (SELECT FROM public.type_callbacks) THEN
        told := EXISTS (SELECT FROM added
                        WHERE finished_at IS NOT NULL AND type IN (SELECT type_callbacks.type FROM public.type_callbacks));
    END IF;
    IF badly THEN
        INSERT INTO public.job_errors (tenant_id, error, id)
        SELECT added.tenant_id, left(added.error, 200), added.id FROM added WHERE added.ended_badly AND added.error IS NOT NULL
        ON CONFLICT DO NOTHING;
    END IF;
    IF undue THEN
        -- What was given back (a snooze, a release, a rescue) has its attempt back. No join: a worker's connection has hash joins switched off.
        INSERT INTO public.job_count_changes (tenant_id, type, status, jobs, retried)
        SELECT tenant_id, type, 'PENDING', 0, count(*)
        FROM (SELECT tenant_id, type
              FROM (SELECT id, tenant_id::text, type::text, attempts AS later, NULL::int AS before FROM added WHERE status = 'PENDING'
                    UNION ALL
                    SELECT id, tenant_id::text, type::text, NULL, attempts FROM removed WHERE status = 'RUNNING') AS runs
              GROUP BY id, tenant_id, type
              HAVING max(later) = max(before)) AS failed
        GROUP BY 1, 2;
        DELETE FROM public.delayed_jobs WHERE id = ANY (ARRAY(SELECT id FROM removed WHERE status = 'PENDING'));
        INSERT INTO public.delayed_jobs (id, run_at, tenant_id, type)
        SELECT id, run_at, tenant_id, type FROM added
        WHERE status = 'PENDING' AND run_at > now()
          AND (key IS NULL OR EXISTS (SELECT FROM public.job_keys AS keys
                                      WHERE keys.tenant_id = added.tenant_id AND keys.key = added.key AND keys.holder = added.id));
    END IF;
    IF keyed THEN
        PERFORM public.leave_keys(array_agg(id), array_agg(tenant_id::text), array_agg(key::text))
        FROM added WHERE key IS NOT NULL AND finished_at IS NOT NULL;
    END IF;
    IF told THEN
        -- Durable callbacks: whoever ends a job makes, in the same transaction, the webhook that tells of it.
        PERFORM set_config('monoq.calling_back', 'on', true);
        INSERT INTO public.jobs (id, tenant_id, type, payload)
        SELECT public.callback_id(id, version), tenant_id, 'webhook', jsonb_build_object('url', url, 'body', jsonb_build_object(
                   'id', id, 'tenantId', tenant_id, 'type', type, 'status', status, 'attempts', attempts,
                   'result', CASE WHEN pg_column_size(result) <= 262144 THEN result END,
                   'resultOmitted', coalesce(pg_column_size(result) > 262144, false),
                   'error', CASE WHEN status <> 'COMPLETED' THEN error END,
                   'finishedAt', to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
        FROM (SELECT added.*, coalesce(callback_url, (SELECT of_type.url FROM public.type_callbacks AS of_type
                                                      WHERE of_type.type = added.type)) AS url
              FROM added WHERE finished_at IS NOT NULL) AS ended
        WHERE url IS NOT NULL
          AND id <> ALL (ARRAY(SELECT id FROM removed WHERE finished_at IS NOT NULL)) -- it had ended before
        ON CONFLICT (id) DO NOTHING;
        PERFORM set_config('monoq.calling_back', 'off', true);
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
    ), progress_gone AS (
        DELETE FROM public.job_progress WHERE job_id = ANY (ARRAY(SELECT id FROM removed))
    ), log_gone AS (
        DELETE FROM public.job_log_lines WHERE job_id = ANY (ARRAY(SELECT id FROM removed))
    ), sends_gone AS (
        DELETE FROM public.email_sends WHERE job_id = ANY (ARRAY(SELECT id FROM removed WHERE type = 'email'))
    ), tags_gone AS (
        DELETE FROM public.job_tags AS tagged USING removed, jsonb_each_text(removed.tags) AS tag (name, value)
        WHERE tagged.tenant_id = removed.tenant_id AND tagged.tag = tag.name || ':' || tag.value AND tagged.id = removed.id
    ), errors_gone AS (
        DELETE FROM public.job_errors AS errors USING removed
        WHERE removed.ended_badly AND errors.tenant_id = removed.tenant_id AND errors.error = left(removed.error, 200)
          AND errors.id = removed.id
    )
    INSERT INTO public.job_count_changes SELECT tenant_id, type, status, -count(*) FROM removed GROUP BY 1, 2, 3;
    IF EXISTS (SELECT FROM removed WHERE key IS NOT NULL AND finished_at IS NULL) THEN -- who has ended has left it
        PERFORM public.leave_keys(array_agg(id), array_agg(tenant_id::text), array_agg(key::text))
        FROM removed WHERE key IS NOT NULL AND finished_at IS NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION follow_truncated_jobs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    TRUNCATE public.waiting_jobs, public.delayed_jobs, public.claims, public.job_changes,
             public.job_counts, public.job_totals, public.job_count_changes, public.job_progress, public.job_log_lines,
             public.job_keys, public.keyed_jobs, public.tenant_counts, public.idempotency_keys,
             public.open_minutes, public.job_times, public.job_history, public.job_tags, public.job_errors;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_inserted_jobs AFTER INSERT ON jobs REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION follow_inserted_jobs();
CREATE TRIGGER follow_updated_jobs AFTER UPDATE ON jobs REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION follow_updated_jobs();
CREATE TRIGGER follow_deleted_jobs AFTER DELETE ON jobs REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION follow_deleted_jobs();
CREATE TRIGGER follow_truncated_jobs AFTER TRUNCATE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION follow_truncated_jobs();

-- Policies: what a tenant, a type, or each tenant without a value of its own (`default`) may do. A
-- row a field, so that each may end by itself: from `until` on, `afterwards` holds (NULL: as if it
-- were not set). Fields: weight, max_running, rate (starts a second), burst, max_waiting, paused
-- (1).
CREATE TYPE policy_scope AS ENUM ('default', 'tenant', 'type');
CREATE TABLE policies (
    scope      policy_scope     NOT NULL,
    name       text             NOT NULL COLLATE "C", -- '' for the default
    field      text             NOT NULL COLLATE "C",
    value      double precision NOT NULL,
    until      timestamptz,
    afterwards double precision,
    PRIMARY KEY (scope, name, field)
);
-- Each change, with the whole policy before and after it. And one row more that says how many there
-- were: `version` of the newest.
CREATE TABLE policy_changes (
    version    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope      policy_scope NOT NULL,
    name       text         NOT NULL COLLATE "C",
    changed_at timestamptz  NOT NULL DEFAULT now(),
    before     jsonb        NOT NULL,
    after      jsonb        NOT NULL
);
CREATE INDEX policy_changes_of ON policy_changes (scope, name, version);

-- When the next start of a key with a rate is due (GCRA, the generic cell rate algorithm: ITU-T
-- I.371): one time a key says it all.
CREATE TABLE rate_states (
    scope         policy_scope NOT NULL,
    name          text         NOT NULL COLLATE "C",
    next_start_at timestamptz  NOT NULL,
    PRIMARY KEY (scope, name)
) WITH (fillfactor = 50);

-- Always empty. A claim locks no row of it, and so takes a shared lock of the table before it takes
-- its snapshot; a change of a policy takes the exclusive one. So no claim is under way that has not
-- seen the policies of the moment, and a count of what runs misses nothing.
CREATE TABLE claim_gate (id int PRIMARY KEY);

-- The policy of one tenant or type: a row, even if it has none.
CREATE FUNCTION policy_of(whose policy_scope, named text)
RETURNS TABLE (weight double precision, max_running double precision, rate double precision, burst double precision,
               max_waiting double precision, paused double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT max(value) FILTER (WHERE field = 'weight'), max(value) FILTER (WHERE field = 'max_running'),
           max(value) FILTER (WHERE field = 'rate'), max(value) FILTER (WHERE field = 'burst'),
           max(value) FILTER (WHERE field = 'max_waiting'), max(value) FILTER (WHERE field = 'paused')
    FROM (SELECT field, CASE WHEN until IS NULL OR until > clock_timestamp() THEN policies.value ELSE afterwards END AS value
          FROM public.policies WHERE policies.scope = whose AND policies.name = named COLLATE "C") AS fields;
END $$;

CREATE INDEX policies_that_gate ON policies (scope, name) WHERE field IN ('max_running', 'rate', 'paused');
CREATE INDEX policies_of_waiting ON policies (scope, name) WHERE field = 'max_waiting';

-- Raises MQ429 if one of these tenants would have more jobs waiting than its policy lets it.
-- Inserts of one tenant that has such a limit go one after the other, up to their commit. What is
-- retried may go beyond: it is no new work.
CREATE FUNCTION refuse_beyond_max_waiting(tenants text[], new_jobs bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    whole    double precision := (SELECT max_waiting FROM public.policy_of('default', ''));
    limited  record;
    waiting  bigint;
BEGIN
    FOR limited IN
        SELECT name, n, coalesce(own.max_waiting, whole) AS most
        FROM unnest(tenants, new_jobs) AS asked (name, n), LATERAL public.policy_of('tenant', name) AS own
        WHERE coalesce(own.max_waiting, whole) IS NOT NULL
        ORDER BY hashtext(name) & 1023, name
    LOOP
        PERFORM pg_advisory_xact_lock(hashtext('monoq.waiting'), hashtext(limited.name) & 1023);
        SELECT coalesce(sum(jobs), 0) INTO waiting
        FROM (SELECT jobs FROM public.job_counts WHERE tenant_id = limited.name AND status = 'PENDING'
              UNION ALL
              SELECT jobs FROM public.job_count_changes WHERE tenant_id = limited.name AND status = 'PENDING') AS parts;
        IF waiting + limited.n > limited.most THEN
            RAISE EXCEPTION 'tenant % has % jobs waiting; with % more it would have more than the % that its maxWaiting lets it have',
                            limited.name, waiting, limited.n, limited.most
                  USING ERRCODE = 'MQ429', DETAIL = limited.name;
        END IF;
    END LOOP;
END $$;

-- Those of these tenants and types whose starts are limited, and how.
CREATE FUNCTION limits_of(tenants text[], types text[])
RETURNS TABLE (scope policy_scope, name text, max_running double precision, rate double precision, burst double precision,
               paused double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = on SET enable_nestloop = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS (
        SELECT 'tenant'::public.policy_scope AS scope, tenant.name COLLATE "C" AS name FROM unnest(tenants) AS tenant (name)
        UNION ALL
        SELECT 'type', type.name COLLATE "C" FROM unnest(types) AS type (name)
    ), own AS MATERIALIZED (
        SELECT fields.scope, fields.name,
               max(value) FILTER (WHERE field = 'max_running') AS max_running, max(value) FILTER (WHERE field = 'rate') AS rate,
               max(value) FILTER (WHERE field = 'burst') AS burst, max(value) FILTER (WHERE field = 'paused') AS paused
        FROM (SELECT policies.scope, policies.name, field,
                     CASE WHEN until IS NULL OR until > clock_timestamp() THEN policies.value ELSE afterwards END AS value
              FROM public.policies
              WHERE policies.scope = 'tenant' AND policies.name = ANY (tenants) OR policies.scope = 'type' AND policies.name = ANY (types)) AS fields
        GROUP BY fields.scope, fields.name
    ), limits AS (
        SELECT asked.scope, asked.name, coalesce(own.max_running, whole.max_running) AS max_running, coalesce(own.rate, whole.rate) AS rate,
               CASE WHEN own.rate IS NULL THEN coalesce(own.burst, whole.burst) ELSE own.burst END AS burst,
               coalesce(own.paused, whole.paused) AS paused
        FROM asked LEFT JOIN own ON own.scope = asked.scope AND own.name = asked.name
             LEFT JOIN public.policy_of('default', '') AS whole ON asked.scope = 'tenant'
    )
    SELECT * FROM limits WHERE coalesce(limits.max_running, limits.rate) IS NOT NULL OR limits.paused > 0;
END $$;

-- How many jobs of these tenants and types may start now, a row for each that has a limit: `room`;
-- by which limit it is held, if that is 0; and when its rate lets the next one start. Exact for
-- whoever holds the locks of these keys (claim_gated_jobs); a hint for everybody else.
-- The changes of counts are joined by a hash: `= ANY` of a hundred names, or a nested loop, which
-- the planner takes for the few rows that it expects, would compare each of them with each change.
CREATE FUNCTION limit_rooms(tenants text[], types text[])
RETURNS TABLE (scope policy_scope, name text, room bigint, held_by text, next_start_at timestamptz, rate double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = on SET enable_nestloop = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH gated AS MATERIALIZED (
        SELECT limits.*, rate_states.next_start_at AS due_at, greatest(coalesce(limits.burst, ceil(limits.rate)), 1) AS bucket
        FROM public.limits_of(tenants, types) AS limits
             LEFT JOIN public.rate_states ON limits.rate IS NOT NULL AND rate_states.scope = limits.scope AND rate_states.name = limits.name
    ), capped AS MATERIALIZED (
        SELECT gated.scope, gated.name FROM gated WHERE max_running IS NOT NULL
    ), running AS MATERIALIZED (
        SELECT parts.scope, parts.name, sum(parts.jobs) AS jobs
        FROM (SELECT capped.scope, capped.name, counted.jobs
              FROM capped, LATERAL (
                  SELECT jobs FROM public.job_counts WHERE tenant_id = capped.name AND status = 'RUNNING' OFFSET 0
              ) AS counted
              WHERE capped.scope = 'tenant'
              UNION ALL
              SELECT capped.scope, capped.name, changes.jobs
              FROM public.job_count_changes AS changes JOIN capped ON capped.scope = 'tenant' AND capped.name = changes.tenant_id
              WHERE changes.status = 'RUNNING'
              UNION ALL
              SELECT capped.scope, capped.name, counted.jobs
              FROM capped, LATERAL (
                  SELECT jobs FROM public.job_totals WHERE type = capped.name AND status = 'RUNNING' OFFSET 0
              ) AS counted
              WHERE capped.scope = 'type'
              UNION ALL
              SELECT capped.scope, capped.name, changes.jobs
              FROM public.job_count_changes AS changes JOIN capped ON capped.scope = 'type' AND capped.name = changes.type
              WHERE changes.status = 'RUNNING') AS parts
        GROUP BY parts.scope, parts.name
    ), rooms AS (
        SELECT gated.scope, gated.name, gated.rate, gated.due_at - (bucket - 1) / gated.rate * interval '1 s' AS next_start_at,
               CASE WHEN paused > 0 THEN 0 END AS by_pause,
               CASE WHEN max_running IS NOT NULL THEN greatest(max_running - coalesce(running.jobs, 0)::float8, 0) END AS by_cap,
               -- Up to `bucket` starts at once, then one each 1 / rate seconds. The millionth is for what rounding takes.
               CASE WHEN gated.rate IS NOT NULL
                    THEN greatest(floor(bucket - gated.rate * greatest(extract(epoch FROM due_at - clock_timestamp())::float8, 0) + 1e-6), 0)
               END AS by_rate
        FROM gated LEFT JOIN running ON running.scope = gated.scope AND running.name = gated.name
    )
    SELECT rooms.scope, rooms.name, least(by_pause, by_cap, by_rate)::bigint,
           CASE WHEN by_pause = 0 THEN 'paused' WHEN by_cap = 0 THEN 'maxRunning' WHEN by_rate = 0 THEN 'rate' END,
           rooms.next_start_at, rooms.rate
    FROM rooms;
END $$;

-- Those of these jobs, in their order, for which their tenant and their type have room.
CREATE FUNCTION jobs_with_room(asked uuid[], types text[], suspects boolean, tenants text[], kinds text[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = on SET enable_nestloop = off AS $$
#variable_conflict use_column
BEGIN
    RETURN ARRAY(
        WITH rooms AS MATERIALIZED (
            SELECT * FROM public.limit_rooms(tenants, kinds)
        ), wanted AS MATERIALIZED (
            SELECT jobs.id, jobs.tenant_id, jobs.type, place, row_number() OVER (PARTITION BY jobs.tenant_id ORDER BY place) AS n
            FROM unnest(asked) WITH ORDINALITY AS listed (id, place), LATERAL (
                SELECT jobs.id, jobs.tenant_id::text AS tenant_id, jobs.type::text AS type
                FROM public.jobs
                WHERE jobs.id = listed.id AND jobs.status = 'PENDING' AND jobs.run_at <= now()
                  AND array_position(types, jobs.type::text) IS NOT NULL AND (jobs.crashes + jobs.deaths > 0) = suspects
                  AND (jobs.key IS NULL OR EXISTS (SELECT FROM public.job_keys AS keys
                                                   WHERE keys.tenant_id = jobs.tenant_id AND keys.key = jobs.key AND keys.holder = jobs.id))
                OFFSET 0 -- one look into the index for each: a hash join would read the whole table
            ) AS jobs
        ), of_tenants AS (
            SELECT wanted.id, wanted.type, place, row_number() OVER (PARTITION BY wanted.type ORDER BY place) AS n
            FROM wanted LEFT JOIN rooms ON rooms.scope = 'tenant' AND rooms.name = wanted.tenant_id
            WHERE rooms.room IS NULL OR wanted.n <= rooms.room
        )
        SELECT of_tenants.id
        FROM of_tenants LEFT JOIN rooms ON rooms.scope = 'type' AND rooms.name = of_tenants.type
        WHERE rooms.room IS NULL OR of_tenants.n <= rooms.room
    );
END $$;

-- The claim where policies limit somebody: as claim_jobs.sql, but of each key only as many as it
-- has room for. Three statements, each with a snapshot of its own: to count in the statement that
-- waits for the lock would count what ran before the wait (cap 2, 4 running).
-- The keys of a claim are locked in one order, so claims never wait in a circle; only 256 locks, so
-- any number of tenants fits into memory.
CREATE FUNCTION claim_gated_jobs(
    asked uuid[], worker bigint, types text[], timeouts_ms int[], suspects boolean, inline_bytes int
)
RETURNS TABLE (id uuid, tenant_id text, type text, payload jsonb, claim int, attempts int, max_attempts int, timeout_ms int, version int,
               crashes int, deaths int, payload_bytes int, waited_s double precision, at double precision, xid bigint, keyed boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    tenants   text[];
    kinds     text[];
    scopes    public.policy_scope[];
    names     text[];
    rates     double precision[];
    bucket    int;
    startable uuid[] := asked;
BEGIN
    PERFORM FROM public.claim_gate FOR KEY SHARE;
    PERFORM FROM public.workers
    WHERE workers.id = worker AND expires_at > now() AND NOT declared_lost AND NOT draining
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT array_agg(DISTINCT jobs.tenant_id::text), array_agg(DISTINCT jobs.type::text) INTO tenants, kinds
    FROM public.jobs WHERE jobs.id = ANY (asked); -- of whatever status: it may wait again by the time that the locks are there
    SELECT array_agg(limits.scope), array_agg(limits.name), array_agg(limits.rate) INTO scopes, names, rates
    FROM public.limits_of(tenants, kinds) AS limits;
    FOR bucket IN
        SELECT DISTINCT hashtext(scope::text || name) & 255 FROM unnest(scopes, names) AS keys (scope, name) ORDER BY 1
    LOOP
        PERFORM pg_advisory_xact_lock(hashtext('monoq.limits'), bucket);
    END LOOP;
    IF names IS NOT NULL THEN
        startable := public.jobs_with_room(asked, types, suspects, tenants, kinds);
    END IF;
    RETURN QUERY
    WITH moment AS MATERIALIZED (
        SELECT clock_timestamp() AS at -- after the wait for the locks: now() would be before it
    ), due AS MATERIALIZED (
        SELECT jobs.ctid
        FROM public.jobs
        WHERE jobs.id = ANY (startable) AND array_position(types, jobs.type::text) IS NOT NULL AND jobs.status = 'PENDING' AND jobs.run_at <= now()
          AND (jobs.crashes + jobs.deaths > 0) = suspects
          AND (jobs.key IS NULL OR EXISTS (SELECT FROM public.job_keys AS keys
                                           WHERE keys.tenant_id = jobs.tenant_id AND keys.key = jobs.key AND keys.holder = jobs.id))
        ORDER BY jobs.id
        FOR UPDATE OF jobs SKIP LOCKED
    ), claimed AS (
        UPDATE public.jobs
        SET status = 'RUNNING', claim = jobs.claim + 1, attempts = jobs.attempts + 1, version = jobs.version + 1,
            changed_xid = pg_current_xact_id(), worker_id = worker, started_at = moment.at, updated_at = moment.at,
            deadline_at = moment.at + coalesce(jobs.timeout_ms, timeouts_ms[array_position(types, jobs.type::text)]) * interval '1 ms'
        FROM due, moment
        WHERE jobs.ctid = due.ctid
        RETURNING jobs.*
    ), started AS (
        SELECT 'tenant'::public.policy_scope AS scope, claimed.tenant_id::text AS name, count(*) AS n FROM claimed GROUP BY 2
        UNION ALL
        SELECT 'type', claimed.type::text, count(*) FROM claimed GROUP BY 2
    ), counted AS (
        INSERT INTO public.rate_states AS states (scope, name, next_start_at)
        SELECT keys.scope, keys.name, moment.at + started.n / keys.rate * interval '1 s'
        FROM unnest(scopes, names, rates) AS keys (scope, name, rate)
             JOIN started ON started.scope = keys.scope AND started.name = keys.name, moment
        WHERE keys.rate IS NOT NULL
        ON CONFLICT (scope, name) DO UPDATE
        SET next_start_at = greatest(states.next_start_at, (SELECT moment.at FROM moment))
                            + (excluded.next_start_at - (SELECT moment.at FROM moment))
    )
    SELECT claimed.id, claimed.tenant_id::text, claimed.type::text,
           CASE WHEN pg_column_size(claimed.payload) <= inline_bytes THEN claimed.payload END,
           claimed.claim, claimed.attempts, claimed.max_attempts::int, claimed.timeout_ms::int, claimed.version, claimed.crashes,
           claimed.deaths, pg_column_size(claimed.payload), date_part('epoch', now() - claimed.run_at), date_part('epoch', now()),
           pg_current_xact_id()::text::bigint, claimed.key IS NOT NULL
    FROM claimed;
END $$;

-- Jobs of the type `email` whose mail a server was given, or was about to be. `is_open`: the run
-- that `claim` names began to send, and what came of it is not known. `outcomes`: by recipient.
-- `mail`: a digest, since a waiting job may be given another payload. Only the handler writes here
-- (monoq/handlers/email/sends.py); a row goes with its job.
CREATE TABLE email_sends (
    job_id   uuid        PRIMARY KEY,
    claim    int         NOT NULL,
    mail     text        NOT NULL,
    is_open  boolean     NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    outcomes jsonb       NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 1);

-- A submit that replaces the last waiting job of its key and type, if there is one: that one keeps
-- its id and its place. `held_by` is the row of the key, which is locked first, so that of two such
-- submits at once the second finds the first. A job that somebody else has locked is about to run
-- or to be cancelled: too late.
CREATE FUNCTION replace_waiting_job(
    new_id uuid, tenant text, new_type text, new_payload jsonb, new_priority int, new_run_at timestamptz, new_max_attempts int,
    new_timeout_ms int, new_callback_url text, of_key text, new_tags jsonb
)
RETURNS TABLE (id uuid, created boolean) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    held_by uuid;
    last    uuid;
BEGIN
    INSERT INTO public.job_keys AS keys (tenant_id, key, holder) VALUES (tenant, of_key, new_id)
    ON CONFLICT (tenant_id, key) DO UPDATE SET holder = keys.holder RETURNING holder INTO held_by;
    SELECT keyed_jobs.id INTO last FROM public.keyed_jobs
    WHERE keyed_jobs.tenant_id = tenant AND keyed_jobs.key = of_key AND keyed_jobs.type = new_type ORDER BY place DESC LIMIT 1;
    PERFORM FROM public.jobs
    WHERE jobs.id = coalesce(last, held_by) AND jobs.status = 'PENDING' AND jobs.type = new_type FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        DELETE FROM public.job_tags AS tagged USING public.jobs, jsonb_each_text(jobs.tags) AS tag (name, value)
        WHERE jobs.id = coalesce(last, held_by)
          AND tagged.tenant_id = tenant AND tagged.tag = tag.name || ':' || tag.value AND tagged.id = jobs.id;
        INSERT INTO public.job_tags (tenant_id, tag, id)
        SELECT tenant, tag.name || ':' || tag.value, coalesce(last, held_by) FROM jsonb_each_text(new_tags) AS tag (name, value);
        PERFORM set_config('monoq.replacing', 'on', true);
        UPDATE public.jobs
        SET payload = new_payload, priority = new_priority, run_at = new_run_at, max_attempts = new_max_attempts,
            timeout_ms = new_timeout_ms, callback_url = new_callback_url, tags = new_tags, version = jobs.version + 1,
            changed_xid = pg_current_xact_id(), updated_at = now()
        WHERE jobs.id = coalesce(last, held_by);
        PERFORM set_config('monoq.replacing', 'off', true);
        RETURN QUERY SELECT coalesce(last, held_by), false;
        RETURN;
    END IF;
    INSERT INTO public.jobs (id, tenant_id, type, payload, priority, run_at, max_attempts, timeout_ms, callback_url, key, tags)
    VALUES (new_id, tenant, new_type, new_payload, new_priority, new_run_at, new_max_attempts, new_timeout_ms, new_callback_url, of_key,
            new_tags);
    RETURN QUERY SELECT new_id, true;
END $$;

-- What each worker knows of endpoints of webhooks that are, or lately were, dead. For people:
-- workers read it no more than jobs do.
CREATE TABLE breakers (
    endpoint      text        NOT NULL COLLATE "C",
    worker_id     bigint      NOT NULL,
    state         text        NOT NULL CHECK (state IN ('closed', 'open', 'half-open')),
    since         timestamptz NOT NULL, -- when it was opened, or closed
    reason        text        NOT NULL, -- why it was opened
    next_probe_at timestamptz, -- NULL: it is closed
    PRIMARY KEY (endpoint, worker_id)
);

-- Operations: many jobs cancelled or retried by a filter, some at a time. `filter` is as the API
-- takes it; `matched` is how many jobs it found when the operation was created. The jobs behind the
-- cursor are dealt with, except those in `behind`, which others held when it passed.
-- Only who holds the row's lock goes on with an operation, and a batch moves the cursor in the
-- transaction that changes its jobs.
CREATE TABLE operations (
    id             uuid        PRIMARY KEY DEFAULT monoq_uuid7(),
    kind           text        NOT NULL CHECK (kind IN ('cancel', 'retry')),
    state          text        NOT NULL DEFAULT 'PENDING' CHECK (state IN ('PENDING', 'RUNNING', 'COMPLETED', 'ABORTED', 'FAILED')),
    filter         jsonb       NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(), -- jobs that are newer are left alone
    moved_at       timestamptz NOT NULL DEFAULT clock_timestamp(), -- of several, the one that has rested longest goes on
    matched        bigint      NOT NULL,
    matched_all    boolean     NOT NULL, -- false: there was no time to count them all
    done           bigint      NOT NULL DEFAULT 0,
    skipped        bigint      NOT NULL DEFAULT 0,
    at_end         boolean     NOT NULL DEFAULT false, -- nothing is before the cursor
    cursor_id      uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    cursor_tenant  text        NOT NULL DEFAULT '' COLLATE "C",
    behind         uuid[]      NOT NULL DEFAULT '{}',
    finished_at    timestamptz,
    error          text,
    CHECK ((state IN ('COMPLETED', 'ABORTED', 'FAILED')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 50);
CREATE INDEX operations_open ON operations (id) WHERE finished_at IS NULL;

-- What job_counts says of each tenant, in one row, so that tenants can be ranked: as of the last
-- fold (fold_counts.sql), a second ago as a rule.
-- A row of no job stays. No index on a number: each fold would have to change it for each busy
-- tenant.
CREATE TABLE tenant_counts (
    tenant_id text   PRIMARY KEY COLLATE "C",
    waiting   bigint NOT NULL,
    running   bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1);

-- What workers say of their job types: an API that has not loaded a type checks payloads by its
-- schema.
CREATE TABLE job_types (
    name       type_name   PRIMARY KEY,
    schema     jsonb       NOT NULL, -- JSON Schema of the payload
    changed_at timestamptz NOT NULL DEFAULT now(), -- of the schema
    seen_at    timestamptz NOT NULL DEFAULT now()  -- when a worker named the type last
);

-- Idempotency keys, and the first job that came with each. They have a time of their own
-- (MONOQ_KEEP_KEYS_DAYS): a key answers its job's id also when that job is gone.
CREATE TABLE idempotency_keys (
    tenant_id    text        NOT NULL COLLATE "C",
    key          text        NOT NULL COLLATE "C",
    used_at      timestamptz NOT NULL DEFAULT now(),
    job_id       uuid        NOT NULL,
    request_hash bytea,
    PRIMARY KEY (tenant_id, key)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (used_at);

-- A job whose key was used before is not stored, whoever writes: as with ON CONFLICT DO NOTHING,
-- and as long as another transaction has not ended that uses the key, this waits for it.
CREATE FUNCTION use_idempotency_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.idempotency_keys (tenant_id, key, job_id, request_hash)
    VALUES (NEW.tenant_id, NEW.idempotency_key, NEW.id, NEW.request_hash)
    ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN NEW END;
END $$;
CREATE TRIGGER use_idempotency_key BEFORE INSERT ON jobs
    FOR EACH ROW WHEN (NEW.idempotency_key IS NOT NULL) EXECUTE FUNCTION use_idempotency_key();

-- Where the removal of old jobs stands, one row, which is the lock of whoever removes. Jobs are
-- looked at in passes, in the order of their ids:
-- up to `reached` in this one; the next one begins at `next_at`. Only jobs that changed before
-- transaction `told` are removed: by then every viewer has been told of their ends, or is away.
-- `mark` becomes the next one, once it is old enough (lock_retention.sql).
CREATE TABLE retention (
    reached   uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    next_at   timestamptz NOT NULL DEFAULT now(),
    told      xid8        NOT NULL DEFAULT '0',
    mark      xid8        NOT NULL DEFAULT '0',
    marked_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);
CREATE UNIQUE INDEX retention_has_one_row ON retention ((true));
ALTER TABLE retention REPLICA IDENTITY FULL;
INSERT INTO retention DEFAULT VALUES;

-- No id of version 7 that was made at this moment is lower.
CREATE FUNCTION lowest_id(moment timestamptz) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN encode(overlay(decode(repeat('00', 16), 'hex')
                      PLACING substring(int8send(greatest(extract(epoch FROM moment) * 1000, 0)::bigint) FROM 3) FROM 1 FOR 6), 'hex')::uuid;

-- By what people find a job: tables in the place of indexes, which jobs without tags and those that
-- end well pay nothing for. Both keys end with the id, so the newest of a tag, or of an error, are
-- side by side.
CREATE TABLE job_tags (
    tenant_id text NOT NULL COLLATE "C",
    tag       text NOT NULL COLLATE "C", -- name:value
    id        uuid NOT NULL,
    PRIMARY KEY (tenant_id, tag, id)
);
CREATE TABLE job_errors (
    tenant_id text NOT NULL COLLATE "C",
    error     text NOT NULL COLLATE "C", -- the first 200 characters
    id        uuid NOT NULL,             -- FAILED or CANCELLED
    PRIMARY KEY (tenant_id, error, id)
);
-- Tags are for good: a trigger that follows their changes would have to be asked at each change of
-- any job. Only a job that is replaced gets others (replace_waiting_job).
CREATE FUNCTION refuse_changed_tags() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('monoq.replacing', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'the tags of a job cannot be changed' USING ERRCODE = 'feature_not_supported';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse_changed_tags BEFORE UPDATE OF tags ON jobs FOR EACH STATEMENT EXECUTE FUNCTION refuse_changed_tags();

-- History: what happened in each minute of a day and in each hour of 90 days. The fold of counts
-- sums what the changes say into open_minutes.
-- A minute that can get no more is closed: it goes into job_history and into its hour there, of the
-- busiest only, so that the size does not depend on how many tenants there are. A series is a
-- tenant and a type; '' stands for all of them together.
CREATE TABLE open_minutes (
    at             timestamptz NOT NULL,
    submitted      bigint      NOT NULL,
    completed      bigint      NOT NULL,
    failed         bigint      NOT NULL,
    cancelled      bigint      NOT NULL,
    retried        bigint      NOT NULL,
    waiting_change bigint      NOT NULL,
    running_change bigint      NOT NULL,
    tenant_id      text        NOT NULL COLLATE "C",
    type           text        NOT NULL COLLATE "C", -- never ''
    PRIMARY KEY (tenant_id, at, type)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 1);

-- How long runs that ended had waited and taken, as workers report it every few seconds: [bucket,
-- how many, bucket, how many, …], for the buckets see monoq/observe/buckets.py.
CREATE TABLE job_times (
    at        timestamptz NOT NULL DEFAULT now(),
    tenant_id text        NOT NULL COLLATE "C",
    type      text        NOT NULL COLLATE "C", -- never ''
    waits     int[]       NOT NULL,
    runs      int[]       NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX job_times_of ON job_times (tenant_id, type);

CREATE TABLE job_history (
    at             timestamptz NOT NULL,
    step           int         NOT NULL, -- seconds: 60 or 3600
    left_out       smallint    NOT NULL DEFAULT 0, -- in the row of all tenants and types: 1: tenants, 2: types of tenants, 4: types, 8: tenants in some minutes
    submitted      bigint      NOT NULL,
    completed      bigint      NOT NULL,
    failed         bigint      NOT NULL,
    cancelled      bigint      NOT NULL,
    retried        bigint      NOT NULL,
    waiting_change bigint      NOT NULL,
    running_change bigint      NOT NULL,
    waiting        bigint, -- at its end; NULL: an hour that may get more
    running        bigint,
    tenant_id      text        NOT NULL COLLATE "C",
    type           text        NOT NULL COLLATE "C",
    waits          int[]       NOT NULL,
    runs           int[]       NOT NULL,
    PRIMARY KEY (tenant_id, type, step, at)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX job_history_by_time ON job_history (step, at);

-- One row: the first minute that is open, and the hour that is, if one has got something.
CREATE TABLE history_state (
    open_from timestamptz NOT NULL DEFAULT date_bin('1 minute', now(), 'epoch'),
    open_hour timestamptz
);
CREATE UNIQUE INDEX history_state_has_one_row ON history_state ((true));
INSERT INTO history_state DEFAULT VALUES;
ALTER TABLE job_times REPLICA IDENTITY FULL;
ALTER TABLE history_state REPLICA IDENTITY FULL;

-- Histograms one behind the other, as one.
CREATE FUNCTION sum_buckets(pairs int[]) RETURNS int[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    counts int[];
    summed int[] := '{}';
    rising boolean := true;
BEGIN
    FOR n IN 2 .. cardinality(pairs) / 2 LOOP
        rising := rising AND pairs[2 * n - 1] > pairs[2 * n - 3];
    END LOOP;
    IF rising THEN
        RETURN pairs; -- it was one
    END IF;
    counts := array_fill(0, ARRAY[120]);
    FOR n IN 1 .. cardinality(pairs) / 2 LOOP
        counts[pairs[2 * n - 1] + 1] := counts[pairs[2 * n - 1] + 1] + pairs[2 * n];
    END LOOP;
    FOR bucket IN 0 .. 119 LOOP
        IF counts[bucket + 1] > 0 THEN
            summed := summed || ARRAY[bucket, counts[bucket + 1]];
        END IF;
    END LOOP;
    RETURN summed;
END $$;
CREATE AGGREGATE merged_buckets(int[]) (sfunc = array_cat, stype = int[], initcond = '{}', finalfunc = sum_buckets);

-- How many jobs of a series had a status at the end of the minute `after`: what the folded counts
-- say, less what happened later.
CREATE FUNCTION history_level(of_tenant text, of_type text, of_status job_status, after timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_there bigint;
    later     bigint;
BEGIN
    IF of_tenant = '' THEN
        SELECT sum(jobs) INTO now_there FROM public.job_totals
        WHERE status = of_status AND (of_type = '' OR type = of_type COLLATE "C");
    ELSE
        SELECT sum(jobs) INTO now_there FROM public.job_counts
        WHERE tenant_id = of_tenant COLLATE "C" AND status = of_status AND (of_type = '' OR type = of_type COLLATE "C");
    END IF;
    SELECT sum(CASE of_status WHEN 'PENDING' THEN waiting_change ELSE running_change END) INTO later
    FROM public.open_minutes
    WHERE tenant_id = of_tenant COLLATE "C" AND at > after AND (of_type = '' OR type = of_type COLLATE "C");
    RETURN coalesce(now_there, 0) - coalesce(later, 0);
END $$;

-- Leaves of a minute or an hour, which gets no more, the 100 busiest tenants, the 200 busiest types
-- of tenants and the 100 busiest types, and notes how many jobs waited and ran at its end, that of
-- the minute `after`.
CREATE FUNCTION keep_busiest(of_step int, of timestamptz, after timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    left_outs int;
BEGIN
    WITH gone AS (
        -- By their place: a join would be planned for the few rows that the planner expects. Nobody else writes these rows.
        DELETE FROM public.job_history
        WHERE ctid = ANY (ARRAY(
            SELECT ranked.place
            FROM (SELECT ctid AS place, tenant_id, type,
                         row_number() OVER (PARTITION BY tenant_id = '', type = ''
                                            ORDER BY submitted + completed + failed + cancelled + retried DESC, tenant_id, type) AS n
                  FROM public.job_history WHERE step = of_step AND at = of) AS ranked
            WHERE n > CASE WHEN tenant_id <> '' AND type <> '' THEN 200 ELSE 100 END))
        RETURNING CASE WHEN tenant_id = '' THEN 4 WHEN type = '' THEN 1 ELSE 2 END AS what
    )
    SELECT coalesce(bit_or(what), 0) INTO left_outs FROM gone;
    UPDATE public.job_history
    SET waiting = public.history_level(tenant_id, type, 'PENDING', after),
        running = public.history_level(tenant_id, type, 'RUNNING', after),
        left_out = left_out | CASE WHEN tenant_id = '' AND type = '' THEN left_outs ELSE 0 END
    WHERE step = of_step AND at = of;
END $$;

-- Closes the oldest open minute that ended `lag` ago or longer; returns whether there was one. It
-- excludes the fold of counts, which writes what comes later into the next minute: what a
-- transaction that was open for longer has moved.
CREATE FUNCTION close_minute(lag interval) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    end_of_closed timestamptz := date_bin('1 minute', now() - lag, 'epoch');
    closing       timestamptz;
    hour_now      timestamptz;
    busiest       text[];
    idle_tenants  boolean;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('monoq.fold_counts')) THEN
        RETURN false;
    END IF;
    SELECT least((SELECT min(at) FROM public.open_minutes WHERE tenant_id = ''),
                 (SELECT date_bin('1 minute', min(at), 'epoch') FROM public.job_times)) INTO closing;
    closing := greatest(closing, (SELECT open_from FROM public.history_state)); -- reports that came too late for theirs
    hour_now := date_bin('1 hour', least(closing, end_of_closed), 'epoch');
    PERFORM public.keep_busiest(3600, open_hour, open_hour + interval '59 minutes') FROM public.history_state WHERE open_hour < hour_now;
    IF closing IS NULL OR closing >= end_of_closed THEN
        UPDATE public.history_state
        SET open_from = greatest(open_from, end_of_closed), open_hour = CASE WHEN open_hour >= hour_now THEN open_hour END
        WHERE open_from < end_of_closed OR open_hour < hour_now;
        RETURN false;
    END IF;
    -- All types of the busiest tenants, 2,000 of them at most, and '': to merge those of any number would take longer than a statement may.
    SELECT array_agg(tenant_id) FILTER (WHERE tenant_id = '' OR series <= 2000), bool_or(tenant_id <> '' AND series > 2000)
    INTO busiest, idle_tenants
    FROM (SELECT tenant_id, sum(types) OVER (ORDER BY tenant_id <> '', changes DESC, tenant_id) AS series
          FROM (SELECT tenant_id, count(*) AS types, sum(submitted + completed + failed + cancelled + retried) AS changes
                FROM public.open_minutes WHERE at <= closing GROUP BY 1) AS tenants) AS ranked;
    WITH counted AS (
        DELETE FROM public.open_minutes WHERE at <= closing RETURNING *
    ), told AS (
        DELETE FROM public.job_times WHERE at < closing + interval '1 minute' RETURNING *
    )
    INSERT INTO public.job_history (tenant_id, type, step, at, submitted, completed, failed, cancelled, retried,
                                    waiting_change, running_change, waits, runs)
    SELECT tenant_id, type, 60, closing, sum(submitted), sum(completed), sum(failed), sum(cancelled), sum(retried),
           sum(waiting_change), sum(running_change), public.merged_buckets(waits), public.merged_buckets(runs)
    FROM (SELECT tenant_id, type, submitted, completed, failed, cancelled, retried, waiting_change, running_change,
                 '{}'::int[] AS waits, '{}'::int[] AS runs FROM counted
          UNION ALL
          SELECT tenant_id, type, 0, 0, 0, 0, 0, 0, 0, waits, runs FROM told) AS parts
    WHERE tenant_id = '' OR tenant_id IN (SELECT unnest(busiest))
    GROUP BY 1, 2;
    INSERT INTO public.job_history (tenant_id, type, step, at, submitted, completed, failed, cancelled, retried,
                                    waiting_change, running_change, waits, runs)
    SELECT tenant_id, '', 60, closing, sum(submitted), sum(completed), sum(failed), sum(cancelled), sum(retried),
           sum(waiting_change), sum(running_change), public.merged_buckets(waits), public.merged_buckets(runs)
    FROM public.job_history WHERE step = 60 AND at = closing GROUP BY 1;
    INSERT INTO public.job_history AS kept (tenant_id, type, step, at, left_out, submitted, completed, failed, cancelled, retried,
                                            waiting_change, running_change, waits, runs)
    SELECT tenant_id, type, 3600, date_bin('1 hour', closing, 'epoch'),
           CASE WHEN tenant_id = '' AND type = '' AND idle_tenants THEN 8 ELSE 0 END,
           submitted, completed, failed, cancelled, retried, waiting_change, running_change, waits, runs
    FROM public.job_history WHERE step = 60 AND at = closing
    ON CONFLICT (tenant_id, type, step, at) DO UPDATE
    SET left_out = kept.left_out | excluded.left_out,
        submitted = kept.submitted + excluded.submitted, completed = kept.completed + excluded.completed,
        failed = kept.failed + excluded.failed, cancelled = kept.cancelled + excluded.cancelled, retried = kept.retried + excluded.retried,
        waiting_change = kept.waiting_change + excluded.waiting_change, running_change = kept.running_change + excluded.running_change,
        waits = public.sum_buckets(kept.waits || excluded.waits), runs = public.sum_buckets(kept.runs || excluded.runs);
    PERFORM public.keep_busiest(60, closing, closing);
    UPDATE public.job_history SET left_out = left_out | 3
    WHERE idle_tenants AND tenant_id = '' AND type = '' AND step = 60 AND at = closing;
    UPDATE public.history_state SET open_from = closing + interval '1 minute', open_hour = date_bin('1 hour', closing, 'epoch');
    RETURN true;
END $$;

-- migrate: rollback
DROP FUNCTION close_minute(interval), keep_busiest(int, timestamptz, timestamptz), history_level(text, text, job_status, timestamptz);
DROP TABLE job_tags, job_errors;
DROP FUNCTION refuse_changed_tags() CASCADE;
DROP TABLE open_minutes, job_times, job_history, history_state;
DROP AGGREGATE merged_buckets(int[]);
DROP FUNCTION sum_buckets(int[]);
DROP FUNCTION lowest_id(timestamptz);
DROP TABLE retention;
DROP FUNCTION use_idempotency_key() CASCADE;
DROP TABLE idempotency_keys;
DROP TABLE breakers, operations, tenant_counts, email_sends, job_types, type_callbacks;
DROP FUNCTION refuse_beyond_max_waiting(text[], bigint[]);
DROP FUNCTION claim_gated_jobs(uuid[], bigint, text[], int[], boolean, int), jobs_with_room(uuid[], text[], boolean, text[], text[]),
              limit_rooms(text[], text[]), limits_of(text[], text[]), policy_of(policy_scope, text);
DROP TABLE policies, policy_changes, rate_states, claim_gate;
DROP TYPE policy_scope;
DROP FUNCTION follow_inserted_jobs(), follow_updated_jobs(), follow_deleted_jobs(), follow_truncated_jobs() CASCADE;
DROP FUNCTION replace_waiting_job(uuid, text, text, jsonb, int, timestamptz, int, int, text, text, jsonb), enter_keys(uuid[]), leave_keys(uuid[], text[], text[]);
DROP TABLE waiting_jobs, delayed_jobs, job_keys, keyed_jobs, job_progress, job_log_lines, claims, job_changes, job_counts, job_totals, job_count_changes;
DROP FUNCTION monoq_submit(text, text, jsonb, interval, text, text, text, jsonb), callback_id(uuid, int);
DROP TABLE jobs, workers, stream;
DROP FUNCTION monoq_uuid7();
DROP DOMAIN tenant_name, type_name, attempt_limit, timeout_ms, callback_url, job_key, tag_set, priority;
DROP FUNCTION monoq_are_tags(jsonb);
DROP TYPE job_status;
