"""Returns the jobs of lost workers. One guarded statement, run by every process; it must never decide in Python whom to free."""

import logging

from monoq.errors import DatabaseUnavailable
from monoq.live.publisher import Publisher
from monoq.live.wire import Change
from monoq.service import Service
from monoq.store.jobs import JobStore
from monoq.store.workers import WorkerStore

log = logging.getLogger(__name__)

PERIOD_S = 0.5
BATCH = 1000
PRUNE_EVERY = 1200  # periods: ten minutes


class Rescuer(Service):
    """Looks for stranded jobs twice a second."""

    name = "rescuer"

    def __init__(self, *, jobs: JobStore, workers: WorkerStore, publisher: Publisher) -> None:
        super().__init__()
        self._jobs = jobs
        self._workers = workers
        self._publisher = publisher

    async def run(self) -> None:
        period = 0
        while not self.stopping.is_set():
            try:
                while await self._rescue() == BATCH:
                    pass
                if period % PRUNE_EVERY == 0:
                    await self._workers.prune_workers()
            except DatabaseUnavailable as error:
                log.debug("nothing rescued: %s", error)
            period += 1
            await self.pause(PERIOD_S)

    async def _rescue(self) -> int:
        rows = await self._jobs.rescue_jobs(BATCH)
        if rows:
            log.warning("%d jobs of lost workers were freed", len(rows))
            self._publisher.publish(map(Change.of_row, rows))
        return len(rows)
