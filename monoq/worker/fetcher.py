"""Pops ids, claims them, hands the jobs to the executor. A pop means nothing until Postgres says "claimed"."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

from monoq import failpoint
from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.job import Status
from monoq.live.publisher import Publisher
from monoq.live.wire import Told
from monoq.observe import Metrics
from monoq.queue.ready import Popper, Ready
from monoq.registry import App
from monoq.service import Service
from monoq.store.jobs import JobStore
from monoq.upkeep.stager import Stager
from monoq.worker.executor import Executor
from monoq.worker.heartbeat import Heartbeat
from monoq.worker.picker import Picker
from monoq.worker.run import Run

log = logging.getLogger(__name__)

LANES = 2  # batches being fetched at once: while one is claimed, the next is popped
SMALL_BATCH, SMALL_BATCH_LANES = 50, 6  # small ones mostly wait for round trips and for the disk
FULL_S = 0.5  # how long a lane waits for a slot before it looks whether it is to stop
RETRY_S = 0.25  # pause after Postgres was away
IDLE_S = 1.0  # an empty list is believed for so long; then a lane looks into Postgres itself


class Slots:
    """The jobs in hand, from the claim until Postgres has acknowledged their end; never more than `size`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._in_hand: dict[UUID, Run] = {}
        self._asked = 0
        self._freed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._in_hand)

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._in_hand.values()))

    @property
    def free(self) -> int:
        """How many more jobs may be asked for."""
        return self._size - len(self._in_hand) - self._asked

    def ask(self, most: int) -> int:
        """Reserves up to `most` free slots for jobs to be claimed."""
        asked = max(0, min(most, self.free))
        self._asked += asked
        return asked

    def fill(self, asked: int, runs: Sequence[Run]) -> None:
        """Ends a reservation with the jobs that were claimed."""
        self._asked -= asked
        self._in_hand.update({run.id: run for run in runs})

    def settle(self, runs: Sequence[Run]) -> None:
        """Frees the slots of runs whose end is acknowledged."""
        for run in runs:
            if self._in_hand.get(run.id) is run:
                del self._in_hand[run.id]
        self._freed.set()

    async def wait(self, seconds: float) -> None:
        """Returns when slots were freed, or after `seconds`."""
        self._freed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._freed.wait()
        except TimeoutError:
            pass


class Fetcher(Service):
    """A few lanes, each: wait for slots → pop → claim → start."""

    name = "fetcher"

    def __init__(
        self,
        *,
        app: App,
        jobs: JobStore,
        redis_url: str,
        ready: Ready,
        picker: Picker,
        publisher: Publisher,
        heartbeat: Heartbeat,
        executor: Executor,
        slots: Slots,
        stager: Stager,
        metrics: Metrics,
        batch_size: int,
    ) -> None:
        super().__init__()
        self._handlers = {handler.name: handler for handler in app}
        self._timeouts_ms = {handler.name: int(handler.timeout_s * 1000) for handler in app}
        self._jobs = jobs
        self._redis_url = redis_url
        self._ready = ready
        self._picker = picker
        self._listened_at = time.monotonic()
        self._publisher = publisher
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._executor = executor
        self._slots = slots
        self._stager = stager
        self._batch_size = batch_size
        self._claiming = 0

    @property
    def claiming(self) -> bool:
        """Whether jobs are about to come."""
        return self._claiming > 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(SMALL_BATCH_LANES if self._batch_size <= SMALL_BATCH else LANES):
                lanes.create_task(self._fetch_batches())

    async def _fetch_batches(self) -> None:
        popper = Popper(self._redis_url)
        try:
            while not self.stopping.is_set():
                asked = 0 if self._executor.saturated or not self._heartbeat.lease_is_proved else self._slots.ask(self._batch_size)
                if not asked:
                    await self._slots.wait(FULL_S)
                    continue
                runs: Sequence[Run] = ()
                try:
                    if ids := await self._next_ids(popper, asked):
                        failpoint.hit("after_pop")
                        self._claiming += 1
                        try:
                            runs = await self._claim(ids)
                        finally:
                            self._claiming -= 1
                        failpoint.hit("after_claim")
                except DatabaseUnavailable as error:
                    log.debug("nothing fetched: %s", error)
                    await self.pause(RETRY_S)
                finally:
                    self._slots.fill(asked, runs)
                self._executor.start(runs)
        finally:
            await popper.close()

    async def _next_ids(self, popper: Popper, most: int) -> Sequence[str]:
        """From the list; from Postgres itself when the list is out of reach, takes no ids, or has been empty for a while."""
        if not self._ready.away:  # each pop would wait out its time limit; the stager looks whether Redis is back
            try:
                ids, left = await popper.pop(most)
                self._stager.list_is(left)
                if ids or (not self._ready.refused and (ids := await popper.wait_for_one())):
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
        worker_id = self._heartbeat.worker_id
        rows = await self._jobs.claim_jobs(ids, worker_id, self._timeouts_ms)
        runs: list[Run] = []
        waits: list[float] = []
        told: defaultdict[str, list[Told]] = defaultdict(list)
        for job_id, tenant_id, job_type, payload, claim, attempt, max_attempts, timeout_ms, version, lost, deaths, waited_s, _ in rows:
            handler = self._handlers[job_type]
            timeout_s = handler.timeout_s if timeout_ms is None else timeout_ms / 1000
            runs.append(
                Run(
                    job_id,
                    tenant_id,
                    job_type,
                    payload,
                    claim,
                    worker_id,
                    attempt,
                    max_attempts or handler.max_attempts,
                    version,
                    lost,
                    deaths,
                    timeout_s,
                    handler,
                )
            )
            told[tenant_id].append((str(job_id), version, job_type, attempt, None))
            waits.append(waited_s)
        self._metrics.wait.observe(waits)
        if rows:
            self._publisher.publish_batch(Status.RUNNING, told, rows[0]["at"], worker_id)
        return runs
