"""A host loses its power, an answer its way, a stager its turn, a clock its hour."""

import asyncio
import os
import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import eventually

from faults.proxy import Proxy
from faults.world import World, world

NO_TRANSACTION_IS_LEFT_OPEN = (
    "SELECT count(*) = 0 FROM pg_stat_activity "
    "WHERE application_name LIKE 'monoq%' AND state LIKE 'idle in transaction%'"
)
ASKED_CLOCKS = (
    "SELECT DISTINCT round((result::float - extract(epoch "
    "FROM finished_at)) / 3600)::int AS hours FROM jobs "
    "WHERE type = 'clock' AND result IS NOT NULL"
)


async def test_the_jobs_of_a_host_that_is_lost_run_again_after_its_lease(tmp_path: Path) -> None:
    """It is another host, so nobody here can look whether its process is gone: nothing but the
    lease can tell. The promise is 12 s with a lease of 10 s; here it has 4 s."""
    async with world(tmp_path, workers=1) as broken, Proxy(broken.postgres_socket) as proxy:
        victim = broken.member("worker", **broken.through(postgres=proxy))
        await broken.is_up(victim)
        await broken.trusted()

        async def has_work() -> bool:
            if await broken.running_on(victim):
                return True
            await broken.submit_sql("work", '{"ms": 1500}', 5)
            return False

        await broken.fetch(
            "UPDATE workers SET host = 'elsewhere' WHERE name LIKE '%:' || $1", str(victim.pid)
        )
        # a few jobs: they will run in processes of their own, of which there are 32 at once
        await eventually(has_work, every=0.2)
        proxy.swallow = {"up", "down"}  # its connections stay open
        victim.kill()
        lost_at = await broken.value("SELECT clock_timestamp()")
        (worker_id,) = [
            row["id"]
            for row in await broken.fetch(
                "SELECT id FROM workers WHERE name LIKE '%:' || $1", str(victim.pid)
            )
        ]
        theirs = [
            row["id"]
            for row in await broken.fetch("SELECT id FROM jobs WHERE worker_id = $1", worker_id)
        ]
        assert theirs
        await broken.all_ended()
        columns = "status, claim, attempts, jsonb_array_length(errors) AS errors, started_at"
        rows = await broken.fetch(f"SELECT {columns} FROM jobs WHERE id = ANY ($1::uuid[])", theirs)
        assert {(row["status"], row["claim"], row["attempts"], row["errors"]) for row in rows} == {
            ("COMPLETED", 2, 1, 1)
        }
        assert timedelta(seconds=3) < min(row["started_at"] for row in rows) - lost_at
        assert max(row["started_at"] for row in rows) - lost_at < timedelta(seconds=4 + 2)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_result_whose_acknowledgement_is_lost_is_kept_and_counts_as_no_late_one(
    tmp_path: Path, fails: bool
) -> None:
    async with world(tmp_path) as broken, Proxy(broken.postgres_socket) as proxy:
        worker = broken.member("worker", **broken.through(postgres=proxy), MONOQ_SLOTS="1")
        await broken.is_up(worker)
        (job_id,) = await broken.submit_sql(
            "work", '{"ms": 500, "fail": true}' if fails else '{"ms": 500}'
        )
        db = await broken.connect()
        await eventually(lambda: db.fetchval("SELECT status = 'RUNNING' FROM jobs"))
        # a heartbeat, with its statement to prepare, still gets through in its second
        proxy.delay_down_s = 0.2
        # committed; the answer is on its way
        await eventually(lambda: db.fetchval("SELECT version = 3 FROM jobs"))
        proxy.cut()
        proxy.delay_down_s = 0
        await eventually(lambda: "writing results restored" in worker.said())
        await broken.all_ended()
        job = await db.fetchrow(
            "SELECT status, version, claim, attempts, result, jsonb_array_length(errors) FROM jobs"
        )
        runs = 2 if fails else 1
        assert tuple(job) == (
            "COMPLETED",
            1 + 2 * runs,
            runs,
            runs,
            f'{{"claim": {runs}}}',
            runs - 1,
        )
        assert broken.executions().count((str(job_id), "start", 1)) == 1
        assert len([event for _, event, _ in broken.executions() if event == "start"]) == runs
        assert broken.stale() == 0
        await broken.submit_sql("work", "{}")  # its only slot is free again
        await broken.all_ended()
        await db.close()


@pytest.mark.alone
@pytest.mark.parametrize("times", [3, pytest.param(12, marks=pytest.mark.soak)])
@pytest.mark.parametrize("fate", ["frozen", "killed"])
async def test_a_stager_that_freezes_or_dies_holds_nothing_up(
    tmp_path: Path, fate: str, times: int
) -> None:
    """Jobs come by SQL, so only a stager or a direct claim finds them; the API is here for its
    stager only."""
    async with world(tmp_path, apis=1, workers=2) as broken:
        victim = broken.apis[0]
        fed = asyncio.Event()
        feeding = asyncio.create_task(_feed(broken, fed))
        db = await broken.connect()
        for _ in range(times):
            await asyncio.sleep(random.uniform(0, 0.3))  # wherever it is in its work
            if fate == "frozen":
                victim.freeze()
            else:
                victim.kill()
            started = await _started(db)
            await eventually(lambda: db.fetchval(NO_TRANSACTION_IS_LEFT_OPEN))
            await eventually(partial(_started, db, started + 150))
            if fate == "frozen":
                victim.thaw()
            else:
                victim.start()
        fed.set()
        await feeding
        await broken.all_ended()
        longest = await db.fetchval(
            "SELECT max(pause) FROM (SELECT started_at - lag(started_at) OVER (ORDER BY "
            "started_at) FROM jobs) p (pause)"
        )
        assert longest < timedelta(seconds=1), longest
        assert await db.fetchval("SELECT bool_and(status = 'COMPLETED' AND claim = 1) FROM jobs")
        await db.close()


async def _feed(broken: World, fed: asyncio.Event) -> None:
    db = await broken.connect()
    while not fed.is_set():
        await db.execute("SELECT monoq_submit('acme', 'work') FROM generate_series(1, 5)")
        await asyncio.sleep(0.02)  # the feed's pace
    await db.close()


async def _started(db: asyncpg.Connection, wanted: int = 0) -> int:
    """How many jobs have begun; 0 if fewer than wanted."""
    started = int(await db.fetchval("SELECT count(*) FROM jobs WHERE started_at IS NOT NULL"))
    return started if started >= wanted else 0


def wrong_clock(hours: int) -> dict[str, str]:
    """Settings of a process whose clock, but not its sense of time passing, is wrong."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no libfaketime: in CI wrong clocks must be tested")
        pytest.skip("no libfaketime")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{hours:+d}h",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


async def test_clocks_that_are_an_hour_wrong_rescue_nothing_and_run_nothing_early_or_late(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as broken:
        api, *_ = [
            broken.member("api", **wrong_clock(+1)),
            broken.member("worker", **wrong_clock(+1)),
        ]
        broken.member("worker", **wrong_clock(-1))
        broken.member("worker")
        for member in broken.members:
            await broken.is_up(member)
        date = parsedate_to_datetime((await broken.http.get(f"{api.url}/health")).headers["date"])
        assert abs(date - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)
        in_two_seconds = (await broken.value("SELECT now() + interval '2 s'")).isoformat()
        jobs: dict[str, dict[str, Any]] = {
            "long": {"type": "work", "payload": {"ms": 8500}},  # more than two leases
            "delayed": {"type": "work", "delayMs": 2000},
            "at": {"type": "work", "runAt": in_two_seconds},
            "retried": {"type": "work", "payload": {"fail": True}},
            "too slow": {
                "type": "work",
                "payload": {"ms": 60_000},
                "timeoutMs": 1000,
                "maxAttempts": 1,
            },
            "clock": {"type": "clock"},
        }
        many = 20
        await broken.submit(
            [
                {"tenantId": name.replace(" ", "-")} | job
                for name, job in jobs.items()
                for _ in range(many)
            ],
            api,
        )
        clocks: set[int] = set()

        async def all_clocks_were_asked() -> bool:
            await broken.submit([{"tenantId": "clock", "type": "clock"}] * 20, api)
            clocks.update(row["hours"] for row in await broken.fetch(ASKED_CLOCKS))
            return clocks == {-1, 0, 1}

        await eventually(all_clocks_were_asked)
        await broken.all_ended()
        assert (
            await broken.value(
                "SELECT count(*) FROM jobs WHERE deaths > 0 OR claim <> CASE tenant_id WHEN "
                "'retried' THEN 2 ELSE 1 END"
            )
            == 0
        )
        assert await broken.value("SELECT max(id) FROM workers") == 3  # no lease ran out
        late = timedelta(seconds=3)
        for row in await broken.fetch("SELECT * FROM jobs WHERE tenant_id <> 'clock'"):
            waited, ran = row["started_at"] - row["run_at"], row["finished_at"] - row["started_at"]
            assert timedelta() <= waited < late, row
            if row["tenant_id"] == "delayed":
                assert row["run_at"] - row["created_at"] == timedelta(seconds=2)
            if row["tenant_id"] == "too-slow":
                assert (row["status"], row["error"]) == ("FAILED", "timed out after 1 s")
                assert timedelta(seconds=1) <= ran < timedelta(seconds=1) + late
            else:
                assert row["status"] == "COMPLETED"
                assert abs(row["updated_at"] - datetime.now(UTC)) < timedelta(minutes=1)
