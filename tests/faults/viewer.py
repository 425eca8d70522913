"""A viewer who watches one tenant on one connection, and notes what it is told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets
from conftest import Server, eventually

from faults.member import Member


class Viewer:
    """What a viewer was told: the newest version and status of each job; fails at a version that
    goes back."""

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
    # a full queue would hold up the end of the connection
    async with websockets.connect(api.ws_url, max_queue=None) as socket:
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
