-- What follows from jobs and would be an index of it, if an index did not make every change of a status dearer
-- depends: 0001_jobs

-- migrate: apply
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
CREATE INDEX waiting_jobs_next ON waiting_jobs (suspect, type, tenant_id, priority, run_at) INCLUDE (id);

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
