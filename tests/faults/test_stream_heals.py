"""Messages are lost, late and repeated, processes die between a commit and its message; a viewer still learns every final state."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import websockets
from conftest import Server, eventually

from faults.proxy import Proxy
from faults.world import Member, world
from monoq.live.hub import Hub
from monoq.upkeep.tail import Tail


class Viewer:
    """What a viewer was told: the newest version and status of each job; fails at a version that goes back."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.statuses: dict[str, str] = {}

    def hear(self, updates: list[dict[str, Any]]) -> None:
        for update in updates:
            assert update["version"] >= self.versions.get(update["jobId"], 0)
            self.versions[update["jobId"]] = update["version"]
            self.statuses[update["jobId"]] = update["status"]

    async def knows(self, ids: list[str], status: str = "COMPLETED") -> None:
        await eventually(lambda: all(self.statuses.get(job_id) == status for job_id in ids))


@asynccontextmanager
async def watching(api: Member | Server) -> AsyncIterator[Viewer]:
    viewer = Viewer()
    async with websockets.connect(api.url.replace("http", "ws") + "/ws") as socket:
        await socket.send(json.dumps({"type": "SUBSCRIBE", "tenantId": "acme", "batch": True}))
        await socket.recv()

        async def listen() -> None:
            async for text in socket:
                viewer.hear(json.loads(text)["updates"])

        listening = asyncio.create_task(listen())
        yield viewer
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening  # raises what it found wrong


async def test_a_worker_that_dies_between_commit_and_message_leaves_nobody_uninformed(tmp_path: Path) -> None:
    async with world(tmp_path, apis=1) as broken:
        victim = broken.member("worker", MONOQ_FAILPOINT="after_finish:kill9")
        await broken.is_up(victim)
        async with watching(broken.apis[0]) as viewer:
            ids = await broken.submit([{"tenantId": "acme", "type": "work"}] * 5)
            await eventually(lambda: not victim.alive)
            await broken.is_up(broken.member("worker"))
            await viewer.knows(ids)


async def test_messages_that_never_arrive_are_made_good(tmp_path: Path) -> None:
    async with world(tmp_path) as broken, Proxy(broken.redis_socket) as proxy:
        direct, broken.redis_url = broken.redis_url, f"redis://127.0.0.1:{proxy.port}"
        await broken.is_up(broken.member("api"))
        broken.redis_url = direct
        await broken.is_up(broken.member("worker"))
        async with watching(broken.apis[0]) as viewer:
            await viewer.knows(await broken.submit([{"tenantId": "acme", "type": "work"}] * 10))
            proxy.swallow = {"down"}
            ids = await broken.submit([{"tenantId": "acme", "type": "work"}] * 200)
            await viewer.knows(ids)
            proxy.swallow = set()
            proxy.cut()
            await viewer.knows(await broken.submit([{"tenantId": "acme", "type": "work"}] * 10))


async def test_a_change_that_commits_late_with_an_early_transaction_id_is_told(tmp_path: Path) -> None:
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
        await viewer.knows([third], "PENDING")  # the tail has read beyond the open transaction by now
        await first.commit()
        await viewer.knows([early_id], "PENDING")
        await early.close()
        await late.close()


async def test_a_horizon_that_a_crash_takes_back_is_not_used(tmp_path: Path) -> None:
    """A crash hands out again the transaction ids that were not on disk; a change with such an id must be told all the same."""
    async with world(tmp_path) as broken:
        (job_id,) = await broken.submit_sql("work", "{}")
        hub, viewer = Hub(), Viewer()

        class Seat:
            def offer(self, tenant_id: str, updates: Any) -> None:
                viewer.hear([json.loads(text) for _, text in updates])

        hub.add("acme", Seat())
        tail = Tail(broken.database_url, hub)
        connection = await tail._connect()
        await tail._read(connection)
        await tail._read(connection)
        rolled_back = await broken.connect()
        transaction = rolled_back.transaction()
        await transaction.start()
        await rolled_back.fetchval("SELECT pg_current_xact_id()")
        await transaction.rollback()
        await tail._read(connection)
        await asyncio.to_thread(broken.kill_postgres)
        await asyncio.to_thread(broken.postgres.start)
        await broken.fetch(
            "UPDATE jobs SET status = 'CANCELLED', version = version + 1, changed_xid = pg_current_xact_id(), finished_at = now()"
        )
        running = asyncio.create_task(tail.run())
        await viewer.knows([str(job_id)], "CANCELLED")
        tail.stop()
        await running


@pytest.mark.long
async def test_a_reader_that_never_reads_costs_only_itself(tmp_path: Path) -> None:
    async with world(tmp_path, apis=1, workers=1) as broken:
        api = broken.apis[0]
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1024)
        handshake = (
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{api.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        writer.write(handshake.encode())
        await reader.readuntil(b"\r\n\r\n")
        text = json.dumps({"type": "SUBSCRIBE", "tenantId": "acme"}).encode()
        mask = b"\0\0\0\0"
        writer.write(bytes([0x81, 0x80 | len(text)]) + mask + text)
        async with watching(api) as viewer:
            for _ in range(4):
                ids = await broken.submit([{"tenantId": "acme", "type": "work"}] * 5000)
            await viewer.knows(ids)

        ours = writer.get_extra_info("sockname")[1]

        async def gone() -> bool:
            """The server has let go of the connection that nobody reads."""
            open_there = psutil.Process(api.pid).net_connections("tcp")
            return all(not one.raddr or one.raddr.port != ours for one in open_there)

        await eventually(gone, timeout=60, every=0.2)
        writer.transport.abort()
        api.send(signal.SIGTERM)
        await asyncio.to_thread(api.process.wait, 15)
