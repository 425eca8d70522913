"""Pops ids, claims them, hands the jobs to the executor. A pop means nothing until Postgres says
"claimed"."""

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial

from monoq.app.pool import Pool
from monoq.app.registry import App
from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.job import Status
from monoq.live.change import Changes
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.process import failpoint
from monoq.process.service import Service
from monoq.queue.ready import Popper, Ready
from monoq.store.jobs import JobStore
from monoq.store.limits import Limits
from monoq.upkeep.stager import Stager
from monoq.worker.executor import Executor
from monoq.worker.heartbeat import Heartbeat
from monoq.worker.payloads import INLINE_BYTES, Payloads
from monoq.worker.picker import Picker
from monoq.worker.run import Run
from monoq.worker.slots import Slots

log = logging.getLogger(__name__)

LANES = 2  # batches being fetched at once: while one is claimed, the next is popped
SMALL_BATCH, SMALL_BATCH_LANES = 50, 6  # small ones mostly wait for round trips and for the disk
FULL_S = 0.5  # how long a lane waits for room before it looks whether it is to stop
RETRY_S = 0.25  # pause after Postgres was away
IDLE_S = 1.0  # an empty list is believed for so long; then a lane looks into Postgres itself


class Fetcher(Service):
    """For one pool: a few lanes, each: wait for room → pop → claim → start. A claim is a promise to
    start now, so it takes no more than what can."""

    name = "fetcher"

    def __init__(
        self,
        pool: Pool,
        *,
        app: App,
        takes: frozenset[tuple[bool, str]],
        jobs: JobStore,
        redis_url: str,
        ready: Ready,
        picker: Picker,
        publisher: Publisher,
        heartbeat: Heartbeat,
        executor: Executor,
        payloads: Payloads,
        slots: Slots,
        stager: Stager,
        limits: Limits,
        metrics: Metrics,
        batch_size: int,
    ) -> None:
        super().__init__()
        self._pool = pool
        self._takes = takes
        self._handlers = {handler.name: handler for handler in app}
        self._timeouts_ms = {
            suspect: {
                handler.name: int(handler.timeout_s * 1000)
                for handler in app
                if (suspect, handler.name) in takes
            }
            for suspect in (False, True)
        }
        self._jobs = jobs
        self._redis_url = redis_url
        self._ready = ready
        self._picker = picker
        self._listened_at = time.monotonic()
        self._publisher = publisher
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._executor = executor
        self._payloads = payloads
        self._slots = slots
        self._stager = stager
        self._limits = limits
        self._batch_size = batch_size

    async def run(self) -> None:
        lanes = 1
        if self._pool is Pool.LOOP:
            lanes = SMALL_BATCH_LANES if self._batch_size <= SMALL_BATCH else LANES
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(self._fetch_batches())

    def _reserve(self) -> int:
        if not self._heartbeat.lease_is_proved:
            return 0
        room = self._executor.room(self._pool, self._slots.claiming(self._pool))
        room = min(room, self._batch_size, self._payloads.room)
        return self._slots.reserve(self._pool, room) if room > 0 else 0

    async def _fetch_batches(self) -> None:
        popper = Popper(self._redis_url)
        try:
            while not self.stopping.is_set():
                reserved = self._reserve()
                if not reserved:
                    await self._slots.wait(FULL_S, self._pool)
                    continue
                self._slots.change(self._pool)  # there may be room for another lane
                runs: Sequence[Run] = ()
                try:
                    if ids := await self._next_ids(popper, reserved):
                        failpoint.hit("after_pop")
                        runs = await self._claim(ids)
                        failpoint.hit("after_claim")
                except DatabaseUnavailable as error:
                    log.debug("nothing fetched: %s", error)
                    await self.pause(RETRY_S)
                finally:
                    self._slots.fill(self._pool, reserved, runs)
                self._executor.start(self._payloads.complete(runs))
        finally:
            await popper.close()

    async def _next_ids(self, popper: Popper, most: int) -> Sequence[str]:
        """From the list; from Postgres itself when the list is out of reach, takes no ids, or has
        been empty for a while."""
        # each pop would wait out its time limit; the stager looks whether Redis is back
        if not self._ready.away:
            name = self._ready.lists.listed(self._pool, self._takes).name
            try:
                ids, left = await popper.pop(name, most)
                self._stager.list_is(name, left)
                if ids or (not self._ready.refused and (ids := await popper.wait_for_one(name))):
                    self._listened_at = time.monotonic()
                    return ids
                if not self._ready.refused and time.monotonic() - self._listened_at < IDLE_S:
                    return ()
            except QueueUnavailable as error:
                log.debug("claiming directly: %s", error)
                self._ready.away = True
        self._listened_at = time.monotonic()
        ids = await self._picker.pick(most)
        self._metrics.direct.inc(len(ids))
        if not ids:
            await self.pause(RETRY_S)
        return ids

    async def _claim(self, ids: Sequence[str]) -> Sequence[Run]:
        runs: list[Run] = []
        for suspects, timeouts_ms in self._timeouts_ms.items():
            # A list has suspects only for children, where a second statement is nothing beside a
            # fork.
            if timeouts_ms:
                runs += await self._claim_some(ids, timeouts_ms, suspects)
        return runs

    async def _claim_some(
        self, ids: Sequence[str], timeouts_ms: dict[str, int], suspects: bool
    ) -> Sequence[Run]:
        worker_id = self._heartbeat.worker_id
        claim = partial(
            self._jobs.claim_jobs,
            ids,
            worker_id,
            timeouts_ms,
            suspects=suspects,
            inline_bytes=INLINE_BYTES,
        )
        limited = self._limits.active
        rows = await claim(limited=limited)
        if not rows and not limited and await self._limits.look():
            rows = await claim(limited=True)
        if not rows:
            return ()
        claimed_at = time.monotonic()
        runs: list[Run] = []
        waits: list[float] = []
        changes = Changes(Status.RUNNING, at=rows[0]["at"], worker_id=worker_id)
        for row in rows:
            (
                job_id,
                tenant_id,
                job_type,
                payload,
                claim,
                attempt,
                max_attempts,
                timeout_ms,
                version,
                lost,
                deaths,
                payload_bytes,
                waited_s,
                _,
                xid,
                keyed,
            ) = row
            handler = self._handlers[job_type]
            runs.append(
                Run(
                    job_id,
                    tenant_id,
                    job_type,
                    payload or "",
                    claim,
                    worker_id,
                    attempt,
                    max_attempts or handler.max_attempts,
                    version,
                    lost,
                    deaths,
                    handler.timeout_s if timeout_ms is None else timeout_ms / 1000,
                    handler,
                    claimed_at,
                    payload_bytes,
                    xid,
                    keyed,
                    waited_s,
                )
            )
            changes.add(tenant_id, job_id, version, job_type, attempt)
            waits.append(waited_s)
        self._metrics.wait.observe(waits)
        self._publisher.publish(changes)
        return runs
