"""Viewers are cut off anywhere, thousands at a time, and databases crash and are restored; who
comes back with a cursor has no gap."""

import asyncio
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import FACT_TIMEOUT_S, eventually, serving

from faults.burner import burning
from faults.light import Memory, connect
from faults.storm import storm
from faults.world import World, world
from monoq.changes.replayer import Replayer
from monoq.changes.tail import Tail
from monoq.embedded.binaries import installed
from monoq.embedded.postgres import PostgresEngine
from monoq.embedded.sockets import make, remove, socket_folder
from monoq.live.cursor import Cursor
from monoq.live.hub import Hub
from monoq.live.subscription import Subscription
from monoq.observe.metrics import Metrics
from monoq.store.database import Database
from monoq.store.migrate import migrate
from monoq.store.stream import StreamStore

SOCKETS = 2_000
LATER = {"tenantId": "acme", "type": "work", "delayMs": 3_600_000}


async def knows_it_all(broken: World, memory: Memory) -> None:
    """What the client knows is what the table says."""
    rows = await broken.fetch(
        "SELECT id::text, version, status::text FROM jobs WHERE tenant_id = $1", memory.tenant_id
    )
    table = {row["id"]: (row["version"], row["status"]) for row in rows}
    await eventually(
        lambda: {i: (v, memory.statuses[i]) for i, v in memory.versions.items()} == table
    )


async def cursor_of(port: int, tenant_id: str = "acme") -> str:
    """A fresh one."""
    memory = Memory(tenant_id)
    connection = await connect(memory, port, frames=1)
    await connection.closed
    assert memory.cursor
    return memory.cursor


async def beyond(broken: World, port: int) -> None:
    """Until fresh cursors cover all that has happened."""
    newest = await broken.value("SELECT max(changed_xid) FROM jobs")

    async def covered() -> bool:
        cursor = Cursor.parse(await cursor_of(port))
        return cursor is not None and cursor.xid > newest

    await eventually(covered)


async def test_a_cut_after_any_frame_and_within_one_leaves_no_gap(tmp_path: Path) -> None:
    """F5. A replay of 1,200 jobs comes in three frames, the last of them with the cursor."""
    async with world(tmp_path, apis=1) as broken:
        port = broken.apis[0].port
        start = await cursor_of(port)
        ids = await broken.submit([LATER] * 1_200)
        await beyond(broken, port)
        whole = Memory()
        whole.cursor = start
        connection = await connect(whole, port)
        await knows_it_all(broken, whole)
        connection.transport.abort()
        size = connection.bytes_read
        cuts: list[dict[str, int]] = [{"frames": n} for n in range(1, 5)] + [
            {"bytes_read": size * n // 7} for n in range(7)
        ]
        seen = set()
        for n, cut in enumerate(cuts):
            memory = Memory()
            memory.cursor = start
            connection = await connect(memory, port, **cut)
            async with asyncio.timeout(FACT_TIMEOUT_S):
                await connection.closed
            seen.add((memory.frames, memory.cursor == start))
            assert (
                await broken.http.post(f"{broken.apis[0].url}/jobs/{ids[n]}/cancel", json={})
            ).status_code == 200
            connection = await connect(memory, port)
            await knows_it_all(broken, memory)
            connection.transport.abort()
            assert (memory.resets, memory.regressions) == (0, 0)
        assert {(1, True), (2, True), (3, True), (4, False)} <= seen, "it was not cut everywhere"


@pytest.mark.alone
async def test_thousands_of_viewers_of_an_api_that_is_killed_go_on_at_another(
    tmp_path: Path,
) -> None:
    """F3. They share reads, so that Postgres hardly notices them."""
    found = await storm(tmp_path, viewers=SOCKETS, jobs_per_s=50)
    print(found)
    assert found.judged == Counter(gaps=0, resets=0, regressions=0)
    (kick,) = found.kicks
    assert kick.all_s < 15
    assert 0 < kick.pages < SOCKETS / 10


class Told:
    """A socket that keeps what its subscription says."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []

    def say(self, text: str) -> None:
        self.said.append(json.loads(text))

    def wake(self, subscription: Subscription) -> None:
        while True:
            for frame in subscription.next_frames():
                self.updates += json.loads(frame)["updates"]
            if not subscription.has_more:
                return

    def count(self, more: int) -> None: ...

    def leave(self) -> None:
        self.said.append({"type": "leave"})


async def test_a_cursor_from_before_a_crash_loses_no_change_after_it(tmp_path: Path) -> None:
    """C2. Postgres hands out again the transaction ids that were rolled back and are in no log; a
    cursor must not lie above them."""
    async with world(tmp_path) as broken:
        (job_id,) = await broken.submit_sql("work", "{}")
        hub = Hub()
        tail = Tail(broken.database_url, hub, Metrics(types=[], version="test"))
        connection = await burning(broken, tail)
        for _ in range(4):
            await tail._read(connection)
        assert hub.horizon
        assert tail._pending
        cursor, too_new = Cursor(*hub.horizon, "acme"), int(tail._pending.split(":")[0])
        await asyncio.to_thread(broken.kill_postgres)
        await asyncio.to_thread(broken.postgres.start)
        change = (
            "UPDATE jobs SET status = 'CANCELLED', version = 2, changed_xid = "
            "pg_current_xact_id(), finished_at = now()"
        )
        assert cursor.xid <= await broken.value(f"{change} RETURNING changed_xid") < too_new, (
            "the crash did not take back what was to be taken back"
        )
        database = await Database.connect(broken.database_url, connections=1, plans="fresh")
        replayer = Replayer(StreamStore(database), hub)
        running = asyncio.create_task(replayer.run())
        told = Told()
        Subscription(
            "acme", told, hub, replayer, batched=True, follows=True, since=str(cursor)
        ).open(None)
        await eventually(
            lambda: [(u["jobId"], u["version"]) for u in told.updates] == [(str(job_id), 2)]
        )
        replayer.stop()
        await running
        await database.close()


async def test_a_late_commit_below_everybodys_cursor_cannot_be(tmp_path: Path) -> None:
    """C9, C10. While a transaction is open, in whatever database, no cursor passes it; what commits
    then is in the replay."""
    async with world(tmp_path, apis=1) as broken:
        port = broken.apis[0].port
        await broken.fetch("CREATE DATABASE elsewhere")
        memory = Memory()
        for database, late in (
            ("elsewhere", "SELECT 1"),
            ("monoq", "SELECT monoq_submit('acme', 'work')"),
        ):
            here = await connect(memory, port)
            connection = await asyncpg.connect(broken.postgres.url, database=database)
            transaction = connection.transaction()
            await transaction.start()
            oldest = await connection.fetchval("SELECT pg_current_xact_id()")
            await connection.fetchval(late)
            await broken.submit([LATER])
            await knows_it_all(broken, memory)
            # rounds of the tail, each of which would move a horizon that nobody holds
            for _ in range(3):
                (changed,) = await broken.submit([LATER])
                await eventually(partial(memory.versions.__contains__, changed))
                memory.cursor = await eventually(partial(cursor_at, port, oldest))
            here.transport.abort()
            await transaction.commit()
            await beyond(broken, port)  # now only a replay can tell of it
            here = await connect(memory, port)
            await knows_it_all(broken, memory)
            here.transport.abort()
            await connection.close()


async def cursor_at(port: int, oldest: int) -> str | None:
    """A fresh one, if it has come as far as the oldest transaction that is open; never farther."""
    text = await cursor_of(port)
    cursor = Cursor.parse(text)
    assert cursor
    assert cursor.xid <= oldest
    return text if cursor.xid == oldest else None


async def test_a_database_put_back_to_a_point_in_time_sends_viewers_away_and_refuses_their_cursors(
    tmp_path: Path,
) -> None:
    """C11, under a running API: what its hub knew of versions must not hide what happens after."""
    async with world(tmp_path, apis=1) as broken:
        api = broken.apis[0]
        (job_id,) = await broken.submit([LATER])
        await asyncio.to_thread(broken.postgres.stop)
        cluster, backup = broken.folder / "postgres", broken.folder / "backup"
        shutil.copytree(cluster, backup, symlinks=True)
        await asyncio.to_thread(broken.postgres.start)
        await broken.is_up(api)
        memory = Memory()
        connection = await connect(memory, api.port)

        async def cancelled() -> bool:
            return (
                await broken.http.post(f"{api.url}/jobs/{job_id}/cancel", json={})
            ).status_code == 200

        await eventually(lambda: memory.cursor)
        await eventually(cancelled)
        await eventually(lambda: memory.versions.get(job_id) == 2)
        await asyncio.to_thread(broken.postgres.stop)
        shutil.rmtree(cluster)
        backup.rename(cluster)
        (cluster / "recovery.signal").touch()
        with (cluster / "postgresql.auto.conf").open("a") as settings:
            settings.write("restore_command = 'false'\n")
        await asyncio.to_thread(broken.postgres.start)
        async with asyncio.timeout(FACT_TIMEOUT_S):
            await connection.closed
        connection = await connect(memory, api.port)
        await eventually(lambda: memory.resets)
        memory.versions.clear()  # as a RESET asks
        await eventually(cancelled)
        await eventually(lambda: memory.versions.get(job_id) == 2)
        connection.transport.abort()


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[PostgresEngine]:
    folder.mkdir()  # noqa: ASYNC240
    sockets = socket_folder(folder)
    make(sockets)
    engine = PostgresEngine(folder, sockets)
    await asyncio.to_thread(engine.start)
    try:
        yield engine
    finally:
        await asyncio.to_thread(engine.stop)
        remove(sockets)


async def run(*command: str | Path) -> None:
    await asyncio.to_thread(partial(subprocess.run, command, check=True, capture_output=True))


async def test_a_restored_dump_refuses_old_cursors_and_its_changes_do_not_come_back_for_ever(
    tmp_path: Path, redis_url: str
) -> None:
    """C11. In a dump transaction ids may lie above what the new cluster has handed out: such
    changes would be in every read."""
    async with AsyncExitStack() as stack:
        old, new = [
            await stack.enter_async_context(cluster(tmp_path / name)) for name in ("old", "new")
        ]
        await migrate(old.url, Path(__file__).parent.parent.parent / "migrations")
        connection = await asyncpg.connect(old.url)
        await connection.execute(
            "INSERT INTO jobs (tenant_id, type) SELECT 't' || n % 3, 'work' "
            "FROM generate_series(1, 6000) n"
        )
        async with serving(old.url, redis_url, role="api") as server:
            cursor = await cursor_of(server.port, "t1")
        for table in "jobs", "job_changes":  # a long life
            await connection.execute(
                f"UPDATE {table} SET changed_xid = (changed_xid::text::bigint + 100000)::text::xid8"
            )
        await connection.close()
        programs = installed() / "bin"
        dump = tmp_path / "dump.sql"
        await run(programs / "pg_dump", "-d", old.url, "-f", dump)
        await run(programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", new.url, "-f", dump)
        connection = await asyncpg.connect(new.url)
        ahead = (
            "SELECT count(*) FROM job_changes WHERE changed_xid >= "
            "pg_snapshot_xmax(pg_current_snapshot())"
        )
        assert await connection.fetchval(ahead) == 3  # a row a tenant
        async with serving(new.url, redis_url, role="api") as server:
            await eventually(lambda: connection.fetchval(ahead.replace("count(*)", "count(*) = 0")))
            memory = Memory("t1")
            memory.cursor = cursor
            back = await connect(memory, server.port)
            await eventually(lambda: memory.resets)
            assert memory.cursor != cursor
            back.transport.abort()
        await connection.close()
