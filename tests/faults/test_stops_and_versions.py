"""Stops, many of them, and starts that must not be: and two versions of monoq side by side."""

import asyncio
import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from conftest import FACT_TIMEOUT_S, eventually, serving

from faults.load import Load, all_acknowledged_are_done
from faults.viewer import watching
from faults.world import world
from monoq.config import load_settings
from monoq.errors import ConfigError
from monoq.queue.keys import UPDATES

AT_ONCE = 8
GRACE_S = 10.0  # the default


@pytest.mark.alone
@pytest.mark.parametrize("stops", [24, pytest.param(200, marks=pytest.mark.soak)])
async def test_stops_while_jobs_flow_end_within_their_grace_and_lose_nothing(
    database_url: str, redis_url: str, db: asyncpg.Connection, stops: int
) -> None:
    """`serving` fails if a service has to be cancelled. The lint ban on what loses a cancellation
    is in tests/unit/test_source.py."""
    left, slowest = stops, 0.0
    fed = asyncio.Event()

    async def start_and_stop() -> None:
        nonlocal left, slowest
        while left > 0:
            left -= 1
            async with serving(
                database_url, redis_url, shutdown_timeout=GRACE_S, slots=50, database_connections=4
            ):
                await asyncio.sleep(random.uniform(0, 0.2))  # a stop may come at any moment
                stopped = time.monotonic()
            slowest = max(slowest, time.monotonic() - stopped)

    async with asyncio.TaskGroup() as group:  # one that fails leaves none behind
        group.create_task(_feed(database_url, fed))
        stopping = [group.create_task(start_and_stop()) for _ in range(AT_ONCE)]
        await asyncio.wait(stopping)
        fed.set()
    async with serving(database_url, redis_url, role="worker"):
        await eventually(
            lambda: db.fetchval(
                "SELECT count(*) > 100 AND bool_and(status = 'COMPLETED') FROM jobs"
            )
        )
    assert slowest < GRACE_S
    assert await db.fetchval("SELECT count(*) FROM jobs WHERE attempts <> 1 OR deaths > 0") == 0
    assert await db.fetchval("SELECT count(*) FROM workers") == 0  # each has said goodbye


async def _feed(database_url: str, fed: asyncio.Event) -> None:
    db = await asyncpg.connect(database_url)
    while not fed.is_set():
        await db.execute(
            """SELECT monoq_submit('acme', 'sleep', '{"delayMs": 20}') FROM generate_series(1, 3)"""
        )
        await asyncio.sleep(0.02)  # the feed's pace
    await db.close()


@pytest.mark.parametrize("rounds", [1, pytest.param(3, marks=pytest.mark.soak)])
async def test_processes_that_are_stopped_at_any_moment_end_within_their_grace(
    tmp_path: Path, rounds: int
) -> None:
    async with world(tmp_path, apis=1, MONOQ_SHUTDOWN_TIMEOUT="4") as broken:
        async with Load(broken) as load:

            async def start_and_stop() -> float:
                member = broken.member(random.choice(["worker", "all"]))
                await broken.is_up(member)
                await asyncio.sleep(random.uniform(0, 0.3))  # the moment is by chance
                began = time.monotonic()
                member.send(signal.SIGTERM)
                assert await asyncio.to_thread(member.process.wait, FACT_TIMEOUT_S) == 0, (
                    member.said()
                )
                return time.monotonic() - began

            times = [
                took
                for _ in range(rounds)
                for took in await asyncio.gather(*[start_and_stop() for _ in range(3)])
            ]
        assert max(times) < 4
        await broken.is_up(broken.member("worker"))
        await all_acknowledged_are_done(broken, load)
        assert (
            await broken.value("SELECT count(*) FROM jobs WHERE attempts <> 1 OR deaths > 0") == 0
        )


BEATS = ["MONOQ_LEASE must be at least three times MONOQ_BEAT"]
WATCHDOG = ["MONOQ_WATCHDOG must be 0 or at least three times MONOQ_BEAT"]
NUMBERS = (
    "lease",
    "beat",
    "watchdog",
    "start_timeout",
    "shutdown_timeout",
    "slots",
    "threads",
    "children",
    "database_connections",
    "port",
)
WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"lease": 1.49, "beat": 0.5}, BEATS),
    ({"lease": 10, "beat": 10}, BEATS),
    ({"lease": 10, "beat": 5}, BEATS),
    ({"beat": 3.4}, BEATS),
    ({"lease": 1}, BEATS),
    ({"watchdog": 1}, WATCHDOG),
    ({"lease": 60, "beat": 20}, WATCHDOG),
    ({"beat": 0}, ["MONOQ_BEAT"]),
    ({"lease": 0}, ["MONOQ_LEASE"]),
    ({"batch_size": 10_001}, ["MONOQ_BATCH_SIZE"]),
    ({"database_connections": 3}, ["MONOQ_DATABASE_CONNECTIONS"]),
    ({"role": "both"}, ["MONOQ_ROLE"]),
    ({"log_level": "loud"}, ["MONOQ_LOG_LEVEL"]),
    *[
        ({name: value}, [f"MONOQ_{name.upper()}"])
        for name in NUMBERS
        for value in (-1, "nan", "inf", "1e400", "many", "")
    ],
]
RIGHT: list[dict[str, Any]] = [
    {"lease": 1.5, "beat": 0.5},
    {"lease": 60, "beat": 20, "watchdog": 60},
    {"watchdog": 0},
    {"watchdog": 1.5},
]


def test_settings_that_contradict_one_another_or_make_no_sense_are_refused_in_one_line() -> None:
    """What the command line then does, one line and exit code 2, is
    tests/contract/test_processes.py's to show."""
    for settings, said in WRONG:
        with pytest.raises(ConfigError) as refused:
            load_settings(**settings)
        assert "\n" not in str(refused.value), settings
        assert all(words in str(refused.value) for words in said), (settings, str(refused.value))
    for settings in RIGHT:
        load_settings(**settings)


NEWER = """
ALTER TABLE jobs ADD COLUMN deferred_until timestamptz,
    ADD COLUMN labels text[] NOT NULL DEFAULT '{}';
ALTER TABLE workers ADD COLUMN region text NOT NULL DEFAULT 'eu';
ALTER TABLE job_counts ADD COLUMN seen_at timestamptz;
"""


async def test_a_version_goes_on_while_a_newer_one_changes_the_tables_and_starts_on_them(
    tmp_path: Path,
) -> None:
    """A newer version may add columns with defaults. Here they appear under load; processes of this
    version run on, and start."""
    async with world(tmp_path, apis=1, workers=1) as broken:
        async with Load(broken) as load, watching(broken.apis[0]) as viewer:
            await load.more(50)
            await broken.fetch(
                "INSERT INTO _pogo_migration (migration_hash, migration_id, schema_name) "
                "VALUES ('ffff', '9999_newer', 'public')"
            )
            for statement in NEWER.strip().split(";")[:-1]:
                await broken.fetch(statement)
            await load.more(50)
            await broken.is_up(broken.member("worker"))
            late = broken.member("api")
            await broken.is_up(late)
            await load.more(50)
            (job_id,) = await broken.submit([{"tenantId": "acme", "type": "work"}], late)
            theirs = await broken.value(
                "INSERT INTO jobs (tenant_id, type, labels) VALUES ('acme', 'work', '{new}') "
                "RETURNING id"
            )
            await viewer.knows([*load.acknowledged, job_id, str(theirs)])
        assert set(load.statuses) == {201}
        shown = (await broken.http.get(f"{late.url}/jobs/{theirs}")).json()
        assert shown["status"] == "COMPLETED"
        assert "labels" not in shown
        assert all(member.alive for member in broken.members)


async def test_messages_of_an_older_and_of_a_newer_version_are_understood(
    database_url: str, redis_url: str, cache: "redis.asyncio.Redis"
) -> None:
    today: dict[str, Any] = {
        "tenantId": "acme",
        "status": "COMPLETED",
        "updatedAt": "2026-01-01T00:00:00Z",
        "workerId": 7,
    }
    older = {"tenantId": "acme", "status": "COMPLETED"}
    newer = today | {"region": "eu", "trace": {"id": [1]}}
    messages = [
        today | {"jobs": [["today", 1, "work", 1, None]]},
        older | {"jobs": [["older", 1, "work", 1, None]]},
        newer | {"jobs": [["newer", 1, "work", 1, None, "a label", {"more": True}]]},
        # nobody could show it: passed over
        today | {"status": "PAUSED", "jobs": [["a status of the future", 1, "work", 1, None]]},
        today | {"jobs": [["last", 1, "work", 1, "why"]]},
    ]
    async with serving(database_url, redis_url, role="api") as server, watching(server) as viewer:
        await eventually(lambda: _is_heard(cache))
        for message in messages:
            await cache.publish(UPDATES, json.dumps(message))
        await viewer.knows(["today", "older", "newer", "last"])
    assert set(viewer.versions) == {"today", "older", "newer", "last"}


async def _is_heard(cache: "redis.asyncio.Redis") -> bool:
    return bool((await cache.pubsub_numsub(UPDATES))[0][1])
