"""Clients that post jobs while things break, and what became of what they were promised."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from conftest import eventually, http_client

from faults.world import World

JOB = {"tenantId": "acme", "type": "work"}
PACE_S = 0.05  # between an answer and the next job of a client


class Load:
    """Posts jobs one after the other, from a few clients at once; keeps every answer's status and
    time."""

    def __init__(self, broken: World) -> None:
        self._broken = broken
        self._stop = asyncio.Event()
        self.acknowledged: list[str] = []
        self.statuses: list[int] = []
        self.slowest_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._post()) for _ in range(4)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _post(self) -> None:
        async with http_client(timeout=30) as http:
            while not self._stop.is_set():
                began = time.monotonic()
                answer = await http.post(f"{self._broken.apis[0].url}/jobs", json=JOB)
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                self.statuses.append(answer.status_code)
                if answer.status_code == 201:
                    self.acknowledged.append(answer.json()["jobId"])
                await asyncio.sleep(PACE_S)

    async def more(self, count: int) -> None:
        """Returns when that many more jobs have been acknowledged."""
        wanted = len(self.acknowledged) + count
        await eventually(lambda: len(self.acknowledged) >= wanted, timeout=60)


async def all_acknowledged_are_done(broken: World, load: Load) -> None:
    await broken.all_ended()
    done = {
        str(row["id"])
        for row in await broken.fetch("SELECT id FROM jobs WHERE status = 'COMPLETED'")
    }
    assert set(load.acknowledged) <= done


@asynccontextmanager
async def load_beside_long_jobs(broken: World, ms: int) -> AsyncIterator[Load]:
    """A load while jobs run that take as long as this. In the end all is done, no process has died,
    and none was taken for dead."""
    await broken.submit_sql("work", json.dumps({"ms": ms}), 20)
    await broken.busy_worker()
    async with Load(broken) as load:
        yield load
    await all_acknowledged_are_done(broken, load)
    assert await broken.value("SELECT count(*) FROM jobs WHERE deaths > 0") == 0
    assert all(member.alive for member in broken.members)
