"""Keeps the runway topped up from the waiting rows, fairly. One mechanism for delayed jobs, retries, plain SQL and a wiped Redis.
It must never be needed for correctness: a duplicate id is a harmless miss, a missing one is selected again."""

import asyncio
import logging
import random
import time

from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.queue.pace import Pace
from monoq.queue.ready import MIN_CAPACITY, OVERFULL, Ready, split
from monoq.service import Service
from monoq.store.due import Due
from monoq.store.workers import WorkerStore

log = logging.getLogger(__name__)

PERIOD_S = 0.25
SLOTS_AHEAD = 2  # the list holds this many times the slots of all live workers
AHEAD_S = 0.5  # or what they take in this time, if that is more: each look goes through all tenants
MAX_CAPACITY = 50_000
WORKERS_EVERY = 4  # periods between looks at the workers


class Stager(Service):
    """Every process stages; two at once push some ids twice, which the claim makes harmless."""

    name = "stager"

    def __init__(self, *, due: Due, workers: WorkerStore, ready: Ready) -> None:
        super().__init__()
        self._due = due
        self._workers = workers
        self._ready = ready
        self._pace = Pace()
        self._slots = 0  # of all live workers
        self._woken = asyncio.Event()

    def list_is(self, length: int) -> None:
        """Somebody just saw how long the list is: a short one is topped up at once."""
        if length < self._ready.low_water:
            self._woken.set()

    def stop(self) -> None:
        super().stop()
        self._woken.set()

    async def run(self) -> None:
        period = 0
        while not self.stopping.is_set():
            try:
                if period % WORKERS_EVERY == 0:
                    await self._look_at_workers()
                await self._top_up()
            except (DatabaseUnavailable, QueueUnavailable) as error:
                log.debug("nothing staged: %s", error)
                await self.pause(PERIOD_S)
            period += 1
            await self._until_next_look()

    async def _until_next_look(self) -> None:
        try:
            async with asyncio.timeout(PERIOD_S * random.uniform(0.8, 1.2)):  # noqa: S311 - keeps processes out of step
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def _look_at_workers(self) -> None:
        workers = await self._workers.list_workers()
        self._slots = sum(worker["slots"] for worker in workers)
        self._due.types = sorted({name for worker in workers for name in worker["types"]}) or None

    async def _top_up(self) -> None:
        length, taken = await self._ready.look()
        self._pace.note(taken, time.monotonic())
        soon = int(min(AHEAD_S * self._pace.per_s, MAX_CAPACITY))
        self._ready.capacity = max(MIN_CAPACITY, SLOTS_AHEAD * self._slots, soon)
        if length > OVERFULL * self._ready.capacity:
            await self._ready.shorten()
        if length >= self._ready.low_water:
            return
        listed = await self._ready.listed()
        wanted = self._ready.capacity - len(split(listed))
        if wanted <= 0:  # another process, which knows of a quicker pace, has filled it meanwhile
            return
        if due := await self._due.select(wanted, listed, soon):
            await self._ready.push(due)
        if self._due.falls_short:
            self._woken.set()
