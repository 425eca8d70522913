"""Returns the jobs of dead workers. One guarded statement, run by every process; it must never decide in Python whom to free."""

import logging
import time

from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.live.publisher import Publisher
from monoq.live.wire import Change
from monoq.observe import Metrics
from monoq.queue.ready import Ready, join
from monoq.service import Service
from monoq.store.jobs import JobStore
from monoq.store.workers import WorkerStore

log = logging.getLogger(__name__)

PERIOD_S = 0.5
TRUSTED_AFTER = 0.5  # leases of unbroken contact with Postgres: after an outage of its own everyone looks dead for a moment
BROKEN_S = 2.0  # a look that takes longer than this, or comes this late, breaks the contact
BATCH = 1000
PRUNE_EVERY = 1200  # periods: ten minutes


class Rescuer(Service):
    """Looks for stranded jobs twice a second."""

    name = "rescuer"

    def __init__(
        self, *, jobs: JobStore, workers: WorkerStore, publisher: Publisher, ready: Ready, metrics: Metrics, lease_s: float
    ) -> None:
        super().__init__()
        self._trusted_after_s = TRUSTED_AFTER * lease_s
        self._jobs = jobs
        self._workers = workers
        self._publisher = publisher
        self._ready = ready
        self._metrics = metrics

    async def run(self) -> None:
        period = 0
        in_contact_since = last_contact = time.monotonic()
        while not self.stopping.is_set():
            try:
                await self._workers.list_workers()
                now = time.monotonic()
                if now - last_contact > BROKEN_S:
                    in_contact_since = now
                last_contact = now
                if now - in_contact_since >= self._trusted_after_s:
                    while await self._rescue() == BATCH:
                        pass
                    await self._workers.prune_claims()
                if period % PRUNE_EVERY == 0:
                    await self._workers.prune_workers()
            except DatabaseUnavailable as error:
                log.debug("nothing rescued: %s", error)
                in_contact_since = last_contact = time.monotonic()
            period += 1
            await self.pause(PERIOD_S)

    async def _rescue(self) -> int:
        rows = await self._jobs.rescue_jobs(BATCH)
        if rows:
            self._metrics.jobs_rescued(rows)
            log.warning("%d jobs of dead workers were freed", len(rows))
            self._publisher.publish(map(Change.of_row, rows))
            try:
                await self._ready.push(join(row["id"] for row in rows if row["status"] == "PENDING"))
            except QueueUnavailable as error:
                self._metrics.failed_pushes.inc()
                log.debug("the freed jobs wait for the stager: %s", error)
        return len(rows)
