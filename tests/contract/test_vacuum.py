"""Who keeps VACUUM from removing dead rows is told, by name."""

import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving

from monoq.changes import vacuum
from monoq.store.vacuum import KINDS


@pytest.fixture
async def soon(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    """An API that tells soon."""
    monkeypatch.setattr(vacuum, "PERIOD_S", 0.05)
    monkeypatch.setattr(vacuum, "ALARM_S", 0.3)
    async with serving(database_url, redis_url, role="api") as server:
        yield server


def health_that(server: Server, fits: Callable[[dict[str, Any]], bool]) -> Callable[[], Any]:
    async def fact() -> dict[str, Any] | None:
        health: dict[str, Any] = (await server.http.get("/health")).json()
        return health if fits(health) else None

    return fact


async def series(server: Server) -> dict[str, str]:
    """kind and holder of each series that is not 0: the holder by the kind."""
    text = (await server.http.get("/metrics")).text
    found = {}
    for line in text.splitlines():
        if line.startswith("monoq_vacuum_horizon_age_seconds{"):
            holder = line.split('holder="')[1].split('",kind=')[0]
            found[line.split('kind="')[1].split('"')[0]] = holder
    assert set(found) == set(KINDS), text
    return found


async def test_a_held_snapshot_that_writes_nothing_is_told_of_until_it_ends(
    soon: Server, database_url: str, db: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, vacuum.__name__)
    reader = await asyncpg.connect(
        database_url, server_settings={"application_name": "nightly report"}
    )
    held = reader.transaction(isolation="repeatable_read", readonly=True)
    await held.start()
    await reader.fetchval("SELECT count(*) FROM jobs")
    await db.execute("SELECT monoq_submit('acme', 'nothing')")
    health = await eventually(health_that(soon, lambda health: "vacuum" in health))
    assert health["status"] == "degraded"
    assert "an open transaction" in health["vacuum"]
    assert "nightly report" in health["vacuum"]
    told = (await soon.http.get("/stats")).json()["vacuumHeldBy"]
    assert told["kind"] == "session"
    assert f"pid {reader.get_server_pid()}" in told["holder"]
    assert "nightly report" in (await series(soon))["session"]
    await held.rollback()
    health = await eventually(health_that(soon, lambda health: "vacuum" not in health))
    assert health["status"] == "ok"
    assert (await soon.http.get("/stats")).json()["vacuumHeldBy"] is None
    assert set((await series(soon)).values()) == {""}
    begun, over = [record.getMessage() for record in caplog.records]
    assert "nightly report" in begun
    assert "no longer" in over
    await reader.close()


async def test_short_transactions_and_those_of_other_databases_are_not_told_of(
    soon: Server, database_url: str, db: asyncpg.Connection
) -> None:
    elsewhere = await asyncpg.connect(re.sub(r"/test_\w+", "/postgres", database_url))
    held = elsewhere.transaction(isolation="repeatable_read", readonly=True)
    await held.start()
    await elsewhere.fetchval("SELECT 1")
    # a transaction that is open and looks anew each time
    moving = await asyncpg.connect(database_url)
    long = moving.transaction()
    await long.start()
    looks = 0

    async def has_looked_often() -> bool:
        nonlocal looks
        looks += 1
        await moving.fetchval("SELECT count(*) FROM jobs")
        await db.execute("SELECT monoq_submit('acme', 'nothing')")
        assert "vacuum" not in (await soon.http.get("/health")).json()
        return looks > 60

    await eventually(has_looked_often)
    await long.rollback()
    await held.rollback()
    await elsewhere.close()
    await moving.close()
