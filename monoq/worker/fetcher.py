"""Takes ids, claims them, hands the jobs to the executor. An id means nothing until Postgres says
"claimed"."""

import asyncio
import logging
from collections.abc import Sequence

from monoq.app.pool import Pool
from monoq.errors import DatabaseUnavailable
from monoq.process import failpoint
from monoq.process.service import Service
from monoq.queue.ready import Popper
from monoq.worker.claimer import Claimer
from monoq.worker.executor import Executor
from monoq.worker.heartbeat import Heartbeat
from monoq.worker.payloads import Payloads
from monoq.worker.run import Run
from monoq.worker.slots import Slots
from monoq.worker.source import Source

log = logging.getLogger(__name__)

LANES = 2  # batches being fetched at once: while one is claimed, the next is popped
SMALL_BATCH, SMALL_BATCH_LANES = 50, 6  # small ones mostly wait for round trips and for the disk
FULL_S = 0.5  # how long a lane waits for room before it looks whether it is to stop
RETRY_S = 0.25  # pause after Postgres was away


class Fetcher(Service):
    """For one pool: a few lanes, each: wait for room → pop → claim → start. A claim is a promise to
    start now, so it takes no more than what can.

    One more lane works only while a tenant holds all it may of the pool: it claims jobs of others
    for what is left.
    """

    name = "fetcher"

    def __init__(
        self,
        claimer: Claimer,
        source: Source,
        *,
        heartbeat: Heartbeat,
        executor: Executor,
        payloads: Payloads,
        slots: Slots,
        batch_size: int,
    ) -> None:
        super().__init__()
        self._pool = claimer.pool
        self._claimer = claimer
        self._source = source
        self._heartbeat = heartbeat
        self._executor = executor
        self._payloads = payloads
        self._slots = slots
        self._batch_size = batch_size

    async def run(self) -> None:
        lanes = 1
        if self._pool is Pool.LOOP:
            lanes = SMALL_BATCH_LANES if self._batch_size <= SMALL_BATCH else LANES
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(self._fetch_batches())
            group.create_task(self._fetch_for_others())

    def stop(self) -> None:
        super().stop()
        self._slots.crowded[self._pool].set()

    def _room(self) -> int:
        if not self._heartbeat.lease_is_proved or self._heartbeat.draining:
            return 0
        room = self._executor.room(self._pool, self._slots.claiming(self._pool))
        return min(room, self._batch_size, self._payloads.room)

    async def _fetch_batches(self) -> None:
        popper = self._source.popper()
        try:
            while not self.stopping.is_set():
                room = self._room()
                reserved = 0
                if room > 0:
                    ahead = self._executor.ahead(self._pool)
                    reserved = self._slots.reserve(self._pool, room, ahead)
                if not reserved:
                    await self._slots.wait(FULL_S, self._pool)
                    continue
                self._slots.change(self._pool)  # there may be room for another lane
                runs: Sequence[Run] = ()
                try:
                    if ids := await self._source.next_ids(popper, reserved):
                        failpoint.hit("after_pop")
                        runs = await self._claimer.claim(ids)
                        failpoint.hit("after_claim")
                except DatabaseUnavailable as error:
                    log.debug("nothing fetched: %s", error)
                    await self.pause(RETRY_S)
                finally:
                    self._slots.fill(self._pool, reserved, runs)
                self._executor.start(self._payloads.complete(runs))
        finally:
            await popper.close()

    async def _fetch_for_others(self) -> None:
        # Set by a lane that got no slot because somebody holds all it may: whenever one is freed.
        crowded = self._slots.crowded[self._pool]
        popper = self._source.popper()
        try:
            while await crowded.wait() and not self.stopping.is_set():
                crowded.clear()
                most = 1
                while not self.stopping.is_set() and (full := self._full()):
                    room = self._room()
                    reserved = self._slots.reserve_spare(self._pool, min(room, most))
                    if not reserved:
                        break
                    found = await self._fetch_for_others_once(popper, full, reserved)
                    # One, as long as nothing comes: what is reserved is nobody else's meanwhile.
                    most = self._batch_size if found else 1
        finally:
            await popper.close()

    async def _fetch_for_others_once(
        self, popper: Popper, full: Sequence[str], reserved: int
    ) -> bool:
        """Whether jobs were found."""
        runs: Sequence[Run] = ()
        try:
            if ids := await self._source.next_ids_of_others(popper, reserved, full):
                runs = await self._claimer.claim_of_others(ids, full, reserved)
        except DatabaseUnavailable as error:
            log.debug("nothing fetched for others: %s", error)
            await self.pause(RETRY_S)
        finally:
            self._slots.fill(self._pool, reserved, runs, spare=True)
        self._executor.start(self._payloads.complete(runs))
        return bool(runs)

    def _full(self) -> Sequence[str]:
        return self._slots.full(self._pool, self._executor.ahead(self._pool))
