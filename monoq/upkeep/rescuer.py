"""Returns the jobs of lost workers. One guarded statement, run by every process; it must never
decide in Python which workers are dead."""

import logging
import time

from monoq.live.change import Changes
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.store.jobs import JobStore
from monoq.store.workers import WorkerStore
from monoq.upkeep import deaths
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

log = logging.getLogger(__name__)

PERIOD_S = 0.5
# Share of a lease with unbroken contact to Postgres before a rescue: after an outage of our own,
# every worker looks dead for a moment.
TRUSTED_AFTER = 0.5
BROKEN_S = 2.0  # a look that takes longer than this, or comes this late, breaks the contact
BATCH = 1000
# a job that is there each time a worker dies may be what kills it, from a child process
MAX_DEATHS = 100
PRUNE_EVERY_S = 600.0
GONE_KEPT_S = 3600.0  # how long the row of a lost worker stays


class Rescuer(UpkeepLoop):
    """Looks for lost workers twice a second."""

    name = "rescuer"

    def __init__(
        self,
        *,
        jobs: JobStore,
        workers: WorkerStore,
        publisher: Publisher,
        metrics: Metrics,
        lease_s: float,
        troubles: Troubles,
    ) -> None:
        super().__init__(troubles)
        self._trusted_after_s = TRUSTED_AFTER * lease_s
        self._jobs = jobs
        self._workers = workers
        self._publisher = publisher
        self._metrics = metrics
        self._host = deaths.host_key()
        self._in_contact_since = self._last_contact = time.monotonic()
        self._pruned_at = 0.0

    async def look(self) -> None:
        """Reports dead workers of this host, and frees the jobs of lost ones."""
        if self._host:
            workers = await self._workers.workers_of_host(self._host)
            try:
                if dead := deaths.dead(workers):
                    log.warning("workers %s are dead: their processes do not exist", dead)
                    await self._workers.report_dead(dead)
            except OSError as error:
                log.debug("dead workers cannot be looked up: %s", error)
        else:
            await self._workers.list_workers()
        now = time.monotonic()
        if now - self._last_contact > BROKEN_S:
            self._in_contact_since = now
        self._last_contact = now
        if now - self._in_contact_since >= self._trusted_after_s:
            while await self._rescue() == BATCH:
                pass
            await self._workers.prune_claims()
        if now - self._pruned_at > PRUNE_EVERY_S:
            self._pruned_at = now
            await self._workers.prune_workers(GONE_KEPT_S)

    async def rest(self) -> None:
        await self.pause(PERIOD_S)

    def failed(self, error: Exception) -> None:
        self._in_contact_since = self._last_contact = time.monotonic()

    async def _rescue(self) -> int:
        rows = await self._jobs.rescue_jobs(BATCH, MAX_DEATHS)
        if rows:
            self._metrics.jobs_rescued(rows)
            log.warning("%d jobs of lost workers rescued", len(rows))
            self._publisher.publish(*Changes.of_rows(rows))
        return len(rows)
