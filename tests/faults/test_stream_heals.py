"""Messages are lost, late and repeated, processes die between a commit and its message; a viewer
still learns every final state."""

import asyncio
import json
import signal
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import pytest
import websockets
from conftest import eventually, serving

from faults.burner import burning
from faults.load import JOB
from faults.proxy import Proxy
from faults.raw import frame, wire
from faults.viewer import Viewer, watching
from faults.world import world
from monoq.changes.tail import Tail
from monoq.live.change import Change
from monoq.live.cursor import Horizon
from monoq.live.hub import Hub
from monoq.observe.metrics import Metrics


async def test_a_worker_that_dies_between_commit_and_message_leaves_nobody_uninformed(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, apis=1) as broken:
        victim = broken.member("worker", MONOQ_FAILPOINT="after_finish:kill9")
        await broken.is_up(victim)
        async with watching(broken.apis[0]) as viewer:
            ids = await broken.submit([JOB] * 5)
            await eventually(lambda: not victim.alive)
            await broken.is_up(broken.member("worker"))
            await viewer.knows(ids)


async def test_nobody_watches_at_an_api_that_does_not_know_yet_from_where_to_read_again(
    tmp_path: Path,
) -> None:
    """What such a viewer missed before the first horizon, nobody would read again. (Postgres was
    killed as an API started, Redis froze.)"""

    async def is_let_in() -> bool:
        try:
            async with watching(broken.apis[0]):
                return True
        except websockets.InvalidStatus as refused:
            return refused.response.status_code != 503

    async with world(tmp_path, workers=1) as broken:
        db = await broken.connect()
        async with db.transaction():
            await db.execute("LOCK TABLE stream IN ACCESS EXCLUSIVE MODE")
            await broken.is_up(broken.member("api"))
            assert not await is_let_in()
        await db.close()
        await eventually(is_let_in)
        async with watching(broken.apis[0]) as viewer:
            await viewer.knows(await broken.submit([JOB]))


async def test_messages_that_never_arrive_are_made_good(tmp_path: Path) -> None:
    async with world(tmp_path) as broken, Proxy(broken.redis_socket) as proxy:
        direct, broken.redis_url = broken.redis_url, f"redis://127.0.0.1:{proxy.port}"
        await broken.is_up(broken.member("api"))
        broken.redis_url = direct
        await broken.is_up(broken.member("worker"))
        async with watching(broken.apis[0]) as viewer:
            await viewer.knows(await broken.submit([JOB] * 10))
            proxy.swallow = {"down"}
            ids = await broken.submit([JOB] * 200)
            await viewer.knows(ids)
            proxy.swallow = set()
            proxy.cut()
            await viewer.knows(await broken.submit([JOB] * 10))


async def test_what_was_missed_is_read_as_soon_as_messages_arrive_again(
    database_url: str,
    redis_url: str,
    db: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The connection to Redis breaks, or looks alive and carries nothing any more. The tail never
    reads by itself here, after its start."""
    monkeypatch.setattr("monoq.changes.tail.PERIOD_S", 3600)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(urlsplit(redis_url).path))
        server = await stack.enter_async_context(
            serving(database_url, f"redis://127.0.0.1:{proxy.port}", role="api")
        )
        viewer = await stack.enter_async_context(watching(server))
        await viewer.knows(await server.submit([{"tenantId": "acme", "type": "echo"}]), "PENDING")
        for fault in "cut", "silent":
            caplog.clear()
            if fault == "cut":
                proxy.refuse = True
                proxy.cut()
            else:
                proxy.swallow = {"down"}
            await eventually(lambda: "receiving live updates failed" in caplog.text)
            job_id = await db.fetchval("SELECT monoq_submit('acme', 'echo')::text")
            assert job_id not in viewer.statuses
            proxy.refuse, proxy.swallow = False, set()
            proxy.cut()
            await viewer.knows([job_id], "PENDING")
            # the tail may have been in the middle of a read
            await eventually(lambda: "receiving live updates restored" in caplog.text)


async def test_a_change_that_commits_late_with_an_early_transaction_id_is_told(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, apis=1) as broken, watching(broken.apis[0]) as viewer:
        early, late = await broken.connect(), await broken.connect()
        first, second = early.transaction(), late.transaction()
        await first.start()
        early_id = str(await early.fetchval("SELECT monoq_submit('acme', 'work')"))
        await second.start()
        late_id = str(await late.fetchval("SELECT monoq_submit('acme', 'work')"))
        await second.commit()
        await viewer.knows([late_id], "PENDING")
        third = str((await broken.submit_sql("work", "{}"))[0])
        # the tail has read beyond the open transaction by now
        await viewer.knows([third], "PENDING")
        await first.commit()
        await viewer.knows([early_id], "PENDING")
        await early.close()
        await late.close()


async def test_a_horizon_that_a_crash_takes_back_is_not_used(tmp_path: Path) -> None:
    """A crash hands out again the transaction ids that were not on disk; a change with such an id
    must be told all the same."""
    async with world(tmp_path) as broken:
        (job_id,) = await broken.submit_sql("work", "{}")
        hub, viewer = Hub(), Viewer()

        class Seat:
            def offer(self, changes: Iterable[Change]) -> None:
                viewer.hear([json.loads(change.text) for change in changes])

            def leave(self) -> None:
                raise AssertionError("a crash makes no other database")

        hub.add("acme", Seat())
        tail = Tail(broken.database_url, hub, Metrics(types=[], version="test"))
        connection = await burning(broken, tail)
        for _ in range(3):
            await tail._read(connection)
        assert tail._pending
        too_new = int(tail._pending.split(":")[0])
        await asyncio.to_thread(broken.kill_postgres)
        await asyncio.to_thread(broken.postgres.start)
        change = (
            "UPDATE jobs SET status = 'CANCELLED', version = 2, changed_xid = "
            "pg_current_xact_id(), finished_at = now()"
        )
        assert await broken.value(f"{change} RETURNING changed_xid") < too_new, (
            "the crash did not take back what was to be taken back"
        )
        running = asyncio.create_task(tail.run())
        await viewer.knows([str(job_id)], "CANCELLED")
        tail.stop()
        await running


async def test_a_tail_that_stops_while_postgres_is_silent_ends_well(
    database_url: str,
) -> None:
    """Its connection cannot be closed in time, which is no fault of the process that stops."""
    parts = urlsplit(database_url)
    ((_, folder), *_) = parse_qsl(parts.query)
    async with Proxy(f"{folder}/.s.PGSQL.5432") as proxy:
        hub = Hub()
        url = f"postgresql://monoq@127.0.0.1:{proxy.port}{parts.path}"
        tail = Tail(url, hub, Metrics(types=[], version="test"))
        running = asyncio.create_task(tail.run())
        await eventually(lambda: hub.horizon)
        proxy.swallow = {"up", "down"}
        tail.stop()
        await running


@pytest.mark.long
async def test_a_reader_that_never_reads_costs_only_itself(tmp_path: Path) -> None:
    async with world(tmp_path, apis=1, workers=1) as broken:
        api = broken.apis[0]
        async with wire(api.port, limit=1024) as deaf, watching(api) as viewer:
            await deaf.upgrade()
            await deaf.send(frame(b'{"type":"SUBSCRIBE","tenantId":"acme"}'))
            for _ in range(4):
                ids = await broken.submit([JOB] * 5000)
            await viewer.knows(ids)
            await eventually(lambda: not api.is_connected_to(deaf.own_port), timeout=60, every=0.2)
        api.send(signal.SIGTERM)
        await asyncio.to_thread(api.process.wait, 15)


class Seat:
    """Keeps what a viewer of the hub is told, and its horizon as it was sent away."""

    def __init__(self, hub: Hub, tenant_id: str) -> None:
        self.told: list[str] = []
        self.left: list[Horizon | None] = []
        self._hub = hub
        hub.add(tenant_id, self)

    def offer(self, changes: Iterable[Change]) -> None:
        self.told += [change.job_id for change in changes]

    def leave(self) -> None:
        self.left.append(self._hub.horizon)


async def test_more_changes_than_can_be_read_send_away_the_viewers_of_that_tenant_only(
    database_url: str, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million jobs of one INSERT: the read of them takes longer than it may, and so would the
    next one."""
    monkeypatch.setattr("monoq.changes.tail.MAX_READ", 100)
    hub = Hub()
    many, few = Seat(hub, "many"), Seat(hub, "few")
    tail = Tail(database_url, hub, Metrics(types=[], version="test"))
    running = asyncio.create_task(tail.run())
    await eventually(lambda: hub.horizon)
    rows = "CASE WHEN n <= 101 THEN 'many' ELSE 'few' END, 'x' FROM generate_series(1, 200) AS n"
    stored = await db.fetch(
        f"INSERT INTO jobs (tenant_id, type) SELECT {rows} "
        "RETURNING id::text, tenant_id, changed_xid"
    )
    await eventually(lambda: many.left)
    await eventually(lambda: len(few.told) == 99)
    assert set(few.told) == {row["id"] for row in stored if row["tenant_id"] == "few"}
    assert (many.told, few.left) == ([], [])
    await eventually(lambda: hub.horizon and hub.horizon.xid > stored[0]["changed_xid"])
    assert len(many.left) == 1
    tail.stop()
    await running


async def test_viewers_start_anew_if_changes_were_not_read_for_longer_than_they_are_kept(
    database_url: str, db: asyncpg.Connection
) -> None:
    """An API that was frozen, or cut off from Postgres, for hours: what changed meanwhile cannot be
    told any more."""
    hub = Hub()
    seat = Seat(hub, "acme")
    tail = Tail(database_url, hub, Metrics(types=[], version="test"))
    running = asyncio.create_task(tail.run())
    await eventually(lambda: hub.horizon)
    for _ in range(3):
        await db.fetchval("SELECT pg_current_xact_id()")
    kept_from = await db.fetchval(
        "UPDATE stream SET kept_from = pg_current_xact_id() RETURNING kept_from"
    )
    await eventually(lambda: seat.left)
    assert seat.left == [None], "nobody is let in until a new horizon is known"
    await eventually(lambda: hub.horizon and hub.horizon.xid > kept_from)
    assert len(seat.left) == 1
    tail.stop()
    await running
