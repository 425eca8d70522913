"""Others use the same Postgres: they lock rows and tables, hold transactions open, and bring a
million jobs."""

import asyncio
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import asyncpg
import psutil
import pytest
from conftest import eventually, serving

from faults.load import JOB, Load, all_acknowledged_are_done, load_beside_long_jobs
from faults.viewer import watching
from faults.world import World, world

SENT_AGAIN = "retrying a statement"
SOMEBODY_WAITS_FOR = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid)))"
)


async def test_results_that_postgres_rolls_back_for_a_deadlock_are_written_again(
    tmp_path: Path,
) -> None:
    """Somebody locks a row that a batch of results has still to write, and then one that it has
    written."""
    async with world(tmp_path, workers=1) as broken:
        (worker,) = broken.workers
        ids = await broken.submit_sql("together", "30", 29)
        await eventually(
            lambda: broken.value("SELECT count(*) = 29 FROM jobs WHERE status = 'RUNNING'")
        )
        ours, looking = await broken.connect(), await broken.connect()
        await ours.execute("SET deadlock_timeout = '1 min'")  # it is not we who give way
        lock = "SELECT id FROM jobs WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED"
        transaction = ours.transaction()
        await transaction.start()
        (middle,) = await ours.fetch(lock, [sorted(ids)[15]])
        ids += await broken.submit_sql("together", "30")  # the last: now all of them end
        await eventually(lambda: looking.fetchval(SOMEBODY_WAITS_FOR, ours.get_server_pid()))
        free = {row["id"] for row in await looking.fetch(lock, ids)}
        written = sorted(set(ids) - free - {middle["id"]})
        assert written  # by the batch that now waits for us
        await ours.fetch("SELECT id FROM jobs WHERE id = $1 FOR UPDATE", written[0])
        await transaction.rollback()
        await broken.all_ended()
        assert SENT_AGAIN in worker.said()
        assert "deadlock detected" in (tmp_path / "postgres.log").read_text()
        assert (
            await broken.value(
                "SELECT count(*) FROM jobs WHERE status = 'COMPLETED' AND claim = 1 AND version = 3"
            )
            == 30
        )
        assert len(broken.executions()) == 60
        assert worker.alive
        for connection in (ours, looking):
            await connection.close()


@pytest.mark.parametrize("rounds", [2, pytest.param(8, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    "isolation", ["serializable", pytest.param("repeatable read", marks=pytest.mark.soak)]
)
async def test_statements_that_postgres_cannot_serialize_are_sent_again(
    tmp_path: Path, isolation: str, rounds: int
) -> None:
    async with world(tmp_path) as broken:
        await broken.fetch(
            f"ALTER DATABASE monoq SET default_transaction_isolation = '{isolation}'"
        )
        for role in ("api", "worker", "worker", "worker"):
            await broken.is_up(broken.member(role))
        async with watching(broken.apis[0]) as viewer:
            async with Load(broken) as load:
                for _ in range(rounds):
                    await eventually(lambda: _taken(broken))
                    await load.more(40)
                await _change_a_row_whose_result_is_being_written(broken)
                assert "could not serialize access" in (tmp_path / "postgres.log").read_text()
            await all_acknowledged_are_done(broken, load)
            await viewer.knows(load.acknowledged)
        assert any(SENT_AGAIN in member.said() for member in broken.members)
        assert set(load.statuses) <= {201, 503}
        assert (
            await broken.value(
                "SELECT count(*) FROM jobs WHERE deaths > 0 OR status <> 'COMPLETED'"
            )
            == 0
        )
        assert all(member.alive for member in broken.members)


async def _change_a_row_whose_result_is_being_written(broken: World) -> None:
    """The load alone may bring no conflict: on one core, statements hardly overlap."""
    ours, looking = await broken.connect(), await broken.connect()
    (job_id,) = await broken.submit_sql("work", '{"ms": 3000}')
    await eventually(
        lambda: looking.fetchval("SELECT status = 'RUNNING' FROM jobs WHERE id = $1", job_id)
    )
    change = (
        "UPDATE jobs SET version = version + 1, changed_xid = pg_current_xact_id(), updated_at "
        "= now() WHERE id = $1"
    )
    async with ours.transaction():
        await ours.execute(change, job_id)
        await eventually(lambda: looking.fetchval(SOMEBODY_WAITS_FOR, ours.get_server_pid()))
    await eventually(
        lambda: looking.fetchval("SELECT status = 'COMPLETED' FROM jobs WHERE id = $1", job_id)
    )
    for connection in (ours, looking):
        await connection.close()


async def _taken(broken: World) -> bool:
    """Whether a batch was accepted: Postgres may refuse it three times in a row."""
    jobs = [JOB | {"payload": {"ms": 2, "fail": True}}] * 50
    return (
        await broken.http.post(f"{broken.apis[0].url}/jobs/batch", json={"jobs": jobs})
    ).status_code == 201


@pytest.mark.alone
@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.soak)])
async def test_a_table_that_is_locked_longer_than_a_statement_waits_is_waited_out(
    tmp_path: Path, times: int
) -> None:
    async with world(tmp_path, apis=1, workers=2) as broken:
        async with load_beside_long_jobs(broken, ms=1500) as load:
            await load.more(50)
            db = await broken.connect()
            async with db.transaction():
                await db.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
                # each of the four clients has waited in vain, once or twice
                await eventually(lambda: load.statuses.count(503) >= 4 * times)
            await load.more(50)
            await db.close()
        assert set(load.statuses) == {201, 503}
        assert load.slowest_s < 5


async def test_a_transaction_that_stays_open_in_another_database_is_told_of_once(
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """C9: the alarm. Its age grows in /metrics; one warning says whose it is, one that it is
    over."""
    monkeypatch.setattr("monoq.changes.horizon.ALARM_S", 1.5)

    def warnings() -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.name == "monoq.changes.horizon"
        ]

    async with serving(database_url, redis_url, role="api") as server:

        async def age() -> float:
            (said,) = re.findall(
                r"^monoq_horizon_age_seconds (\S+)$",
                (await server.http.get("/metrics")).text,
                re.MULTILINE,
            )
            return float(said)

        await eventually(age_is(age, lambda seconds: seconds == 0))
        other = await asyncpg.connect(
            database_url, database="postgres", server_settings={"application_name": "forgotten"}
        )
        transaction = other.transaction()
        await transaction.start()
        began = time.monotonic()
        await other.fetchval("SELECT pg_current_xact_id()")
        await eventually(lambda: warnings())
        assert time.monotonic() - began > 1.5
        assert (
            f"database postgres, user monoq, pid {other.get_server_pid()}, application "
            "'forgotten', idle in transaction" in warnings()[0]
        )
        await eventually(age_is(age, lambda seconds: 2.5 < seconds <= time.monotonic() - began))
        assert len(warnings()) == 1
        await transaction.rollback()
        await eventually(age_is(age, lambda seconds: seconds == 0))
        assert "ended after" in warnings()[1]
        assert len(warnings()) == 2
        await other.close()


def age_is(
    age: Callable[[], Awaitable[float]], so: Callable[[float], bool]
) -> Callable[[], Awaitable[bool]]:
    async def fact() -> bool:
        return so(await age())

    return fact


@pytest.mark.parametrize("held_s", [4, pytest.param(10, marks=pytest.mark.soak)])
async def test_a_transaction_held_open_in_another_database_hides_nothing_and_costs_no_memory(
    tmp_path: Path, held_s: float
) -> None:
    """It holds back the horizon from which changes are read again: of everything that runs on the
    server, not of its database."""
    async with world(tmp_path, apis=1, workers=1) as broken:
        await broken.fetch("CREATE DATABASE other")
        api = psutil.Process(broken.apis[0].pid)
        other = await broken.connect_to("other")
        ids: list[str] = []

        async def load(seconds: float) -> int:
            """Some 300 jobs a second; returns by how many bytes the API has grown."""
            before = api.memory_info().rss
            end = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < end:
                ids.extend(await broken.submit([JOB] * 30))
                await asyncio.sleep(0.1)  # the load's pace
            return api.memory_info().rss - before

        async with watching(broken.apis[0]) as one, watching(broken.apis[0]) as another:
            await load(3)  # warm
            growth = await load(held_s)
            transaction = other.transaction()
            await transaction.start()
            held = await other.fetchval("SELECT pg_current_xact_id()::text::bigint")
            growth_held = await load(held_s)
            horizon = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
            assert await broken.value(horizon) == held
            for viewer in (one, another):
                await viewer.knows(ids)
            late = await broken.submit([JOB] * 30)
            await one.knows(late)
            await transaction.commit()
            assert await broken.value(horizon) > held
            for viewer in (one, another):
                await viewer.knows([*ids, *late])
        await other.close()
        assert growth_held < growth + (16 << 20), (growth, growth_held)


SMALL = 25
STILL_WAIT = "SELECT count(*) FROM jobs WHERE tenant_id = 'large' AND status = 'PENDING'"


@pytest.mark.alone
@pytest.mark.parametrize("backlog", [120_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
async def test_the_backlog_of_one_tenant_makes_another_wait_no_longer_than_a_few_thousand_jobs_do(
    tmp_path: Path, backlog: int
) -> None:
    async with world(tmp_path, apis=1, workers=2, MONOQ_SLOTS="50") as broken:
        await _backlog(broken, 40_000)
        few = await _wait_of_the_small(broken, "beside-few")
        assert await broken.value(STILL_WAIT) > 1000
        for worker in broken.workers:
            worker.kill()  # they would only slow the INSERT down
        await _backlog(broken, backlog)
        for _ in range(2):
            await broken.is_up(broken.member("worker"))
        many = await _wait_of_the_small(broken, "beside-many")
        assert await broken.value(STILL_WAIT) > 0.9 * backlog
        print(f"median wait: {few * 1000:.0f} ms beside few, {many * 1000:.0f} ms beside {backlog}")
        assert many < max(2 * few, 0.05)
        for member in broken.members:
            member.kill()
        await broken.fetch("TRUNCATE jobs")  # or the stop would write half a gigabyte


async def _backlog(broken: World, jobs: int) -> None:
    """Indexes are made after the rows: that is several times faster."""
    db = await broken.connect()
    indexes = await db.fetch(
        "SELECT indexname AS name, indexdef AS made FROM pg_indexes WHERE tablename = 'jobs' "
        "AND indexname <> 'jobs_pkey'"
    )
    async with db.transaction():
        for index in indexes:
            await db.execute(f"DROP INDEX {index['name']}")
        rows = (
            "SELECT ($2 || lpad(to_hex(n), 24, '0'))::uuid, 'large', 'work', '{\"ms\": 20}' "
            "FROM generate_series(1, $1::int) n"
        )
        await db.execute(
            f"INSERT INTO jobs (id, tenant_id, type, payload) {rows}", jobs, f"{jobs:08d}"
        )
        for index in indexes:
            await db.execute(index["made"])
    await db.execute("ANALYZE jobs")
    await db.close()


async def _wait_of_the_small(broken: World, tenant: str) -> float:
    """The median, in seconds, from a job's creation until it begins, of jobs that come one after
    the other."""
    db = await broken.connect()
    for _ in range(SMALL):
        (job_id,) = await broken.submit([{"tenantId": tenant, "type": "work"}])
        await eventually(
            partial(db.fetchval, "SELECT started_at IS NOT NULL FROM jobs WHERE id = $1", job_id)
        )
    sql = (
        "SELECT extract(epoch FROM started_at - created_at)::float AS s FROM jobs "
        "WHERE tenant_id = $1"
    )
    waits: list[float] = [row["s"] for row in await db.fetch(sql, tenant)]
    await db.close()
    return statistics.median(waits)
