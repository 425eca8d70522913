"""Ordinary work: slow, blocking, unequal, large and many. Nobody starves, and no innocent job
fails."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import handlers_for_work as handlers
import pytest
import redis.asyncio
from conftest import Server, eventually, serving
from tables import DIFFER

from contract.processes import running, said
from contract.test_metrics import scrape
from monoq.queue.keys import QUEUE
from monoq.worker.stuck import MAX_HUNG, MAX_STUBBORN, MAX_STUCK_LOOPS

APP = "handlers_for_work:app"
SUBMIT = "SELECT monoq_submit($1, $2, to_jsonb($3::float8)) FROM generate_series(1, $4)"
TABLES = (
    "jobs",
    "waiting_jobs",
    "delayed_jobs",
    "claims",
    "job_changes",
    "job_counts",
    "job_totals",
    "job_count_changes",
)
ENDED = "SELECT count(*) = 0 FROM jobs WHERE status IN ('PENDING', 'RUNNING')"
FATES = (
    "SELECT status::text, attempts, crashes, deaths, count(*) AS jobs FROM jobs GROUP BY 1, 2, 3, 4"
)


@pytest.fixture(autouse=True)
def _fresh_handlers() -> Iterator[None]:
    handlers.started.clear()
    handlers.let_go.clear()
    yield
    handlers.let_go.set()


@pytest.fixture
async def busy(database_url: str, redis_url: str) -> AsyncIterator[Server]:
    """API and worker with two threads and four children."""
    async with serving(
        database_url, redis_url, app=APP, threads=2, children=4, lease=1.5, beat=0.5
    ) as running_server:
        yield running_server


async def submit(
    db: asyncpg.Connection, job_type: str, payload: float, times: int = 1, tenant: str = "acme"
) -> None:
    await db.execute(
        SUBMIT.replace("SELECT monoq", "SELECT count(monoq").replace(") FROM", ")) FROM"),
        tenant,
        job_type,
        payload,
        times,
    )


async def all_ended(db: asyncpg.Connection, timeout: float = 20.0) -> None:
    await eventually(lambda: db.fetchval(ENDED), timeout=timeout)


async def fates(db: asyncpg.Connection) -> dict[tuple[Any, ...], int]:
    """How many jobs have this status, these attempts, crashes and deaths."""
    return {tuple(row)[:4]: row["jobs"] for row in await db.fetch(FATES)}


async def begun(number: int) -> None:
    await eventually(lambda: len(handlers.started) >= number)


def position(job_id: str | UUID) -> int | None:
    """As the how manieth a job began."""
    wanted = UUID(str(job_id))
    return handlers.started.index(wanted) if wanted in handlers.started else None


async def test_the_time_of_a_job_that_waits_for_a_thread_does_not_run(
    busy: Server, db: asyncpg.Connection
) -> None:
    """Eight jobs of 1 s with a limit of 1.5 s in two threads: most of them wait for longer than
    they may run."""
    await submit(db, "plain", 1.0, 8)
    await all_ended(db)
    assert await fates(db) == {("COMPLETED", 1, 0, 0): 8}
    assert await db.fetchval("SELECT max(finished_at - started_at) < interval '2.2 s' FROM jobs"), (
        "started is not claimed long before"
    )


async def test_the_time_of_a_job_that_waits_for_a_child_does_not_run(
    busy: Server, db: asyncpg.Connection
) -> None:
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, payload, timeout_ms) "
        "SELECT 't', 'apart', '0.5', 1500 FROM generate_series(1, 20)"
    )
    await all_ended(db)
    assert await fates(db) == {("COMPLETED", 1, 0, 0): 20}


async def test_no_more_isolated_jobs_are_claimed_than_children_are_free(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    running = "SELECT count(*) FROM jobs WHERE status = 'RUNNING' AND type = 'apart'"
    completed = "SELECT count(*) = $1 FROM jobs WHERE status = 'COMPLETED'"
    async with serving(database_url, redis_url, app=APP, children=1) as server:
        await submit(db, "apart", 60.0, 3)
        await eventually(lambda: db.fetchval(running))
        for times in (1, 2, 3):  # each is put on a list and taken from it after the others were
            await submit(db, "wait", 0.0)
            await eventually(partial(db.fetchval, completed, times))
            assert await db.fetchval(running) == 1
        answer = await server.http.post("/jobs/cancel", json={"filter": {"type": "apart"}})
        assert answer.status_code == 202, answer.text
        await eventually(lambda: db.fetchval(ENDED))


async def test_async_handlers_that_compute_end_one_after_the_other_and_hold_up_nobody_else(
    busy: Server, db: asyncpg.Connection
) -> None:
    await submit(db, "compute", 0.05, 60)
    await begun(1)
    await submit(db, "plain", 0.0, 1, tenant="other")
    await eventually(
        lambda: db.fetchval("SELECT status = 'COMPLETED' FROM jobs WHERE tenant_id = 'other'")
    )
    assert await db.fetchval(
        "SELECT count(*) > 10 FROM jobs WHERE type = 'compute' AND status = 'PENDING'"
    )
    await all_ended(db)
    assert await fates(db) == {("COMPLETED", 1, 0, 0): 61}


async def test_a_handler_that_blocks_its_loop_delays_no_other_duty(
    busy: Server, db: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Claims, ends, leases and answers go on; the log names it, and nothing is rescued from a live
    worker."""
    await submit(db, "wait", 0.1)
    await all_ended(db)
    await submit(db, "block", 2.5)
    await begun(2)
    longest, ended = 0.0, 0
    loop = asyncio.get_running_loop()
    while not await db.fetchval("SELECT status = 'COMPLETED' FROM jobs WHERE type = 'block'"):
        began = loop.time()
        (job_id,) = await busy.submit([{"tenantId": "other", "type": "plain", "payload": 0.0}])
        await busy.job_when(job_id, "COMPLETED")
        longest, ended = max(longest, loop.time() - began), ended + 1
    assert longest < 1.0
    assert ended > 3
    assert "the async handler of block has blocked its event loop" in caplog.text
    assert set(await fates(db)) == {("COMPLETED", 1, 0, 0)}
    assert await db.fetchval(
        "SELECT count(*) = 1 AND bool_and(NOT declared_lost AND expires_at > now()) FROM workers"
    )


@pytest.mark.parametrize("how", ["by HTTP", "in SQL"])
async def test_a_newcomer_and_an_urgent_job_start_before_thousands_that_wait(
    busy: Server, db: asyncpg.Connection, how: str
) -> None:
    """2,000 plain jobs of 50 ms in two threads take 50 s."""
    await submit(db, "plain", 0.05, 2000, tenant="large")
    await begun(10)
    if how == "by HTTP":
        ids = await busy.submit(
            [
                {"tenantId": "other", "type": "plain", "payload": 0.0},
                {"tenantId": "large", "type": "plain", "payload": 0.0, "priority": -100},
            ]
        )
    else:
        insert = (
            "INSERT INTO jobs (tenant_id, type, payload, priority) "
            "VALUES ('other', 'plain', '0', 0), ('large', 'plain', '0', -100)"
        )
        ids = [str(row["id"]) for row in await db.fetch(f"{insert} RETURNING id")]
    there = len(handlers.started)
    await eventually(lambda: all(position(job_id) is not None for job_id in ids))
    assert max((position(job_id) or 0) - there for job_id in ids) < 40, (
        "jobs of 1 s of both threads, at most"
    )
    await db.execute("DELETE FROM jobs WHERE status = 'PENDING'")


async def test_one_with_jobs_in_every_slot_leaves_room_for_others_as_slots_are_freed(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    async with serving(database_url, redis_url, app=APP, slots=50):
        await db.execute(
            "SELECT count(monoq_submit('large', 'wait', to_jsonb(n % 50 * 0.02))) "
            "FROM generate_series(1, 1000) AS n"
        )
        await begun(100)
        await submit(db, "wait", 0.0, 1, tenant="other")
        job_id = await db.fetchval("SELECT id FROM jobs WHERE tenant_id = 'other'")
        there = len(handlers.started)
        await eventually(lambda: position(job_id) is not None)
        assert (position(job_id) or 0) - there < 100
        await db.execute("DELETE FROM jobs WHERE status = 'PENDING'")


async def test_nobody_starves_beside_a_flood_of_posts(busy: Server, db: asyncpg.Connection) -> None:
    """More come in than two threads can do. A delayed job, one submitted in SQL and one of another
    tenant run nevertheless."""
    flooding = True

    async def flood() -> None:
        while flooding:
            await busy.submit([{"tenantId": "flood", "type": "plain", "payload": 0.02}] * 50)
            await asyncio.sleep(0.02)  # the flood's pace

    flows = [asyncio.create_task(flood()) for _ in range(2)]
    await begun(100)
    await busy.submit(
        [
            {"tenantId": "delayed", "type": "plain", "payload": 0.0, "delayMs": 300},
            {"tenantId": "posted", "type": "plain", "payload": 0.0},
        ]
    )
    await submit(db, "plain", 0.0, 1, tenant="sql")
    began = len(handlers.started)
    await eventually(
        lambda: db.fetchval(
            "SELECT bool_and(status = 'COMPLETED') FROM jobs WHERE tenant_id <> 'flood'"
        )
    )
    waiting = await db.fetchval("SELECT count(*) FROM jobs WHERE status = 'PENDING'")
    flooding = False
    await asyncio.gather(*flows)
    assert waiting > 100, "there was no flood"
    assert len(handlers.started) - began < 200, "2 s"
    await db.execute("DELETE FROM jobs WHERE status = 'PENDING'")


async def test_plain_functions_that_hang_are_replaced_and_the_worker_goes_on(
    busy: Server, db: asyncpg.Connection
) -> None:
    await submit(db, "hang", 3600, 2)
    await eventually(
        lambda: db.fetchval(
            "SELECT count(*) = 2 FROM jobs WHERE status = 'FAILED' AND error LIKE 'timed out%'"
        )
    )
    await submit(db, "plain", 0.0, 20)
    await submit(db, "wait", 0.0, 20)
    await all_ended(db)
    assert await fates(db) == {("COMPLETED", 1, 0, 0): 40, ("FAILED", 1, 0, 0): 2}

    async def hung(number: float) -> bool:
        return (await scrape(busy.http))["monoq_hung_handlers"] == number

    await eventually(lambda: hung(2))
    handlers.let_go.set()
    await eventually(lambda: hung(0))


async def test_an_event_loop_that_stays_blocked_is_replaced_and_its_other_jobs_run_elsewhere(
    busy: Server, db: asyncpg.Connection
) -> None:
    await submit(db, "wait", 1.0, 5)
    await begun(5)
    await submit(db, "stuck", 3600)
    await begun(6)
    await submit(db, "wait", 0.0, 5)
    await all_ended(db)
    assert await fates(db) == {("COMPLETED", 1, 0, 0): 10, ("FAILED", 1, 0, 0): 1}


THREADS = 2


@pytest.mark.parametrize(
    ("job_type", "bound", "what"),
    [
        ("hang", MAX_HUNG * THREADS, "threads whose function does not return"),
        ("stuck", MAX_STUCK_LOOPS, "event loops that are stuck"),
        ("deaf", MAX_STUBBORN, "async handlers that ignore their cancellation"),
    ],
)
async def test_a_worker_goes_on_below_its_bound_of_handlers_that_cannot_be_stopped_and_ends_at_it(
    tmp_path: Path,
    database_url: str,
    redis_url: str,
    db: asyncpg.Connection,
    job_type: str,
    bound: int,
    what: str,
) -> None:
    """Whatever its threads do: Python would wait for them."""

    async def timed_out(jobs: int) -> bool:
        sql = "SELECT count(*) FROM jobs WHERE status = 'FAILED' AND error LIKE 'timed out%'"
        return bool(await db.fetchval(sql) >= jobs)

    urls = {"MONOQ_DATABASE_URL": database_url, "MONOQ_REDIS_URL": redis_url}
    own = {"MONOQ_THREADS": str(THREADS), "MONOQ_SHUTDOWN_TIMEOUT": "2"}
    with running("serve", "--role=worker", f"--app={APP}", cwd=tmp_path, **urls, **own) as worker:
        await submit(db, job_type, 3600, bound - 1)
        await eventually(lambda: timed_out(bound - 1), timeout=60)
        await submit(db, "plain", 0, 10)
        await submit(db, "wait", 0, 10)
        await all_ended(db)
        assert await db.fetchval("SELECT count(*) = 20 FROM jobs WHERE status = 'COMPLETED'")
        assert worker.poll() is None
        await submit(db, job_type, 3600)
        await eventually(lambda: worker.poll() is not None)
        assert worker.returncode != 0
        assert f"{bound} {what}: this process must be replaced" in said(tmp_path)
    assert await timed_out(bound)
    assert await db.fetchval("SELECT count(*) = 0 FROM jobs WHERE status = 'RUNNING'")


async def test_large_results_are_written_in_parts_and_once(
    busy: Server, db: asyncpg.Connection
) -> None:
    """100 results of 500 KB: in one statement they would never be in time."""
    await db.execute(
        "SELECT count(monoq_submit('t', 'large', '500000')) FROM generate_series(1, 100)"
    )
    await all_ended(db)
    assert await fates(db) == {("COMPLETED", 1, 0, 0): 100}
    assert await db.fetchval(
        "SELECT bool_and(claim <= 3 AND length(result #>> '{}') = 500000) FROM jobs"
    )


async def test_workers_with_other_handlers_take_only_their_own(
    database_url: str, redis_url: str, db: asyncpg.Connection, cache: "redis.asyncio.Redis"
) -> None:
    async def ids_in_lists() -> int:
        names = [name async for name in cache.scan_iter(f"{QUEUE}*", _type="list")]
        return sum(
            [int(await cache.llen(name)) for name in names if not bytes(name).endswith(b":popped")]
        )

    async with serving(database_url, redis_url, app="handlers_for_work:images", role="worker"):
        async with serving(database_url, redis_url, app="handlers_for_work:mails", role="worker"):
            await eventually(lambda: db.fetchval("SELECT count(*) = 2 FROM workers"))
            for _ in range(20):
                for job_type in ("mail", "image"):
                    await submit(db, job_type, 0, 5)
            await all_ended(db)
            assert await fates(db) == {("COMPLETED", 1, 0, 0): 200}
        await submit(db, "mail", 0, 300)
        await submit(db, "image", 0, 20)
        await eventually(
            lambda: db.fetchval(
                "SELECT count(*) = 120 FROM jobs WHERE type = 'image' AND status = 'COMPLETED'"
            )
        )

        async def nobody_lists_mails() -> bool:
            """Whoever lists has read that their worker is gone: what it is told to forget does not
            come back."""
            await cache.delete(*[name async for name in cache.scan_iter(f"{QUEUE}*")])
            await asyncio.sleep(0.5)  # two looks
            return await ids_in_lists() == 0

        await eventually(nobody_lists_mails)
        assert await db.fetchval("SELECT count(*) FROM jobs WHERE status = 'PENDING'") == 300


async def test_a_publication_for_all_tables_stops_nothing(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    """It forbids every UPDATE and DELETE in a table without a key, or a replica identity."""
    await db.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    for table in ("workers", "stream", *TABLES):
        await db.execute(f"DELETE FROM {table} WHERE false")
    async with serving(database_url, redis_url, app=APP) as server:
        await server.submit(
            [
                {"tenantId": "t", "type": "wait", "payload": 0.0, "delayMs": n % 2 * 100}
                for n in range(50)
            ]
        )
        await all_ended(db)
        await eventually(lambda: db.fetchval("SELECT count(*) = 0 FROM job_count_changes"))
        failures = [
            name for name in await scrape(server.http) if name.startswith("monoq_upkeep_failures")
        ]
        assert failures == []


@pytest.mark.parametrize(
    "who",
    [
        "may only write jobs",
        "may only submit",
        "has tables of its own by these names",
        "looks elsewhere",
    ],
)
async def test_a_session_of_any_kind_may_submit_in_sql_and_its_job_runs(
    busy: Server, db: asyncpg.Connection, who: str
) -> None:
    insert = "INSERT INTO public.jobs (tenant_id, type, payload) VALUES ('t', 'plain', '0')"
    call = "SELECT public.monoq_submit('t', 'plain', '0')"
    statements = [insert, call]
    await db.execute(
        "DO $$ BEGIN CREATE ROLE guest; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    if who == "may only write jobs":
        await db.execute("GRANT INSERT ON jobs TO guest; SET ROLE guest")
        statements = [insert]
    elif who == "may only submit":
        await db.execute("GRANT EXECUTE ON FUNCTION monoq_submit TO guest; SET ROLE guest")
        statements = [call]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(insert)
    elif who == "has tables of its own by these names":
        for table in TABLES:
            await db.execute(f"CREATE TEMP TABLE {table} (LIKE public.{table})")
    else:
        await db.execute("CREATE SCHEMA elsewhere; SET search_path = elsewhere, pg_catalog")
        await db.execute(
            "CREATE FUNCTION elsewhere.now() RETURNS timestamptz LANGUAGE sql AS $$ "
            "SELECT 'infinity'::timestamptz $$"
        )
        await db.execute("SET search_path = elsewhere, pg_catalog")
    for statement in statements:
        await db.execute(statement)
    await db.execute("RESET ROLE; RESET search_path; DISCARD TEMP")
    await all_ended(db)
    assert await fates(db) == {("COMPLETED", 1, 0, 0): len(statements)}
    assert await db.fetch(DIFFER) == []


async def test_a_background_loop_survives_what_postgres_says_and_tells(
    busy: Server, db: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await db.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN RAISE EXCEPTION 'not on a Friday'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON job_counts
            FOR EACH STATEMENT EXECUTE FUNCTION refuse();
        CREATE TRIGGER refuse BEFORE DELETE ON delayed_jobs
            FOR EACH STATEMENT EXECUTE FUNCTION refuse();
    """)
    await busy.submit([{"tenantId": "t", "type": "plain", "payload": 0.0, "delayMs": 200}])
    await eventually(lambda: "the promoter has failed for 1 s: not on a Friday" in caplog.text)
    await eventually(lambda: "the counter has failed for" in caplog.text)
    samples = await scrape(busy.http)
    assert samples["monoq_upkeep_failures_total[promoter]"] >= 2
    assert samples["monoq_upkeep_failures_total[counter]"] >= 2
    (job_id,) = await busy.submit([{"tenantId": "t", "type": "plain", "payload": 0.0}])
    await busy.job_when(job_id, "COMPLETED")
    await db.execute("DROP TRIGGER refuse ON job_counts; DROP TRIGGER refuse ON delayed_jobs")
    await all_ended(db)
    await eventually(
        lambda: (
            "the promoter works again after" in caplog.text
            and "the counter works again after" in caplog.text
        )
    )
