"""Who keeps VACUUM from removing dead rows is told, by name."""

import asyncio
import logging
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest
from conftest import Server, eventually, serving

from monoq.changes import vacuum
from monoq.embedded.binaries import environment, installed
from monoq.embedded.postgres import SETTINGS, PostgresEngine
from monoq.embedded.sockets import make, remove, socket_folder
from monoq.observe.metrics import Metrics
from monoq.store.database import Database
from monoq.store.vacuum import KINDS, VacuumStore


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


@pytest.fixture
async def primary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PostgresEngine]:
    """A PostgreSQL of its own, which takes prepared transactions and standbys."""
    monkeypatch.setitem(SETTINGS, "max_prepared_transactions", "2")
    async with started(tmp_path / "primary") as engine:
        yield engine


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[PostgresEngine]:
    sockets = socket_folder(folder)
    engine = PostgresEngine(folder, sockets)

    def start() -> None:
        folder.mkdir(exist_ok=True)
        make(sockets)
        engine.start()

    await asyncio.to_thread(start)
    try:
        yield engine
    finally:
        await asyncio.to_thread(engine.stop)
        remove(sockets)


def copy(primary: PostgresEngine, folder: Path) -> None:
    """Makes a standby of it, stopped: with feedback, through the slot `feeder`."""
    folder.mkdir()
    source = primary.url.split("host=")[1].split("&")[0]
    program = str(installed() / "bin" / "pg_basebackup")
    target = ["-D", str(folder / "postgres"), "-R", "-C", "-S", "feeder", "-c", "fast"]
    command = [program, "-h", source, "-U", "monoq", *target]
    subprocess.run(command, check=True, capture_output=True, env=environment())
    with (folder / "postgres" / "postgresql.auto.conf").open("a") as settings:
        settings.write("hot_standby_feedback = on\nwal_receiver_status_interval = 1\n")


@pytest.mark.long
async def test_a_prepared_transaction_a_slot_and_a_standby_are_told_of_by_their_kinds(
    primary: PostgresEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vacuum, "PERIOD_S", 0.05)
    monkeypatch.setattr(vacuum, "ALARM_S", 0.3)
    database = await Database.connect(primary.url, connections=1, plans="fresh")
    metrics = Metrics(types=["x"], version="1")
    watch = vacuum.VacuumWatch(VacuumStore(database), metrics)
    watching = asyncio.create_task(watch.run())
    db = await asyncpg.connect(primary.url)
    await db.execute("CREATE TABLE written (n int)")

    async def held_by(kind: str) -> vacuum.Held:
        async def fact() -> vacuum.Held | None:
            await db.execute("INSERT INTO written VALUES (1)")
            return watch.held if watch.held and watch.held.kind == kind else None

        return cast(vacuum.Held, await eventually(fact))

    async def nobody() -> bool:
        await db.execute("INSERT INTO written VALUES (1)")
        return watch.held is None

    await db.execute("BEGIN; INSERT INTO written VALUES (0); PREPARE TRANSACTION 'transfer 17'")
    assert "transfer 17" in (await held_by("prepared")).holder
    await db.execute("ROLLBACK PREPARED 'transfer 17'")
    await eventually(nobody)
    await asyncio.to_thread(copy, primary, tmp_path / "standby")
    async with started(tmp_path / "standby") as standby:
        reader = await asyncpg.connect(standby.url)
        for kind, name in (("slot", "feeder"), ("standby", "walreceiver")):
            if kind == "standby":
                await reader.execute("ALTER SYSTEM SET primary_slot_name = ''")
                await reader.execute("SELECT pg_reload_conf()")
                free = "SELECT count(*) = 0 FROM pg_replication_slots WHERE active"
                await eventually(partial(db.fetchval, free))
                await db.execute("SELECT pg_drop_replication_slot('feeder')")
            report = reader.transaction(isolation="repeatable_read", readonly=True)
            await report.start()
            await reader.fetchval("SELECT count(*) FROM written")
            assert name in (await held_by(kind)).holder
            await report.rollback()
            await eventually(nobody)
        await reader.close()
    watch.stop()
    await watching
    await db.close()
    await database.close()
