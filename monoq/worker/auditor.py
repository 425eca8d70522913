"""Compares what this worker holds with what Postgres says it runs, and settles the difference. It
must act on Postgres' word only."""

import logging
from collections.abc import Callable
from uuid import UUID

from monoq.errors import DatabaseUnavailable
from monoq.job import Status
from monoq.process.service import Service
from monoq.store.jobs import EndedRun, JobStore
from monoq.worker.heartbeat import Heartbeat
from monoq.worker.run import Run
from monoq.worker.slots import Slots

log = logging.getLogger(__name__)

PERIOD_S = 2.0


class Auditor(Service):
    """Releases claims whose answer was lost (RUNNING in Postgres, unknown to this worker), and
    stops runs whose job was cancelled or rescued."""

    name = "auditor"

    def __init__(
        self,
        *,
        jobs: JobStore,
        heartbeat: Heartbeat,
        slots: Slots,
        abandon: Callable[[Run], object],
    ) -> None:
        super().__init__()
        self._jobs = jobs
        self._heartbeat = heartbeat
        self._slots = slots
        self._abandon = abandon
        self._unknown: set[tuple[UUID, int]] = set()

    async def run(self) -> None:
        while not self.stopping.is_set():
            try:
                await self._audit()
            except DatabaseUnavailable as error:
                log.debug("no audit: %s", error)
            await self.pause(PERIOD_S)

    async def _audit(self) -> None:
        worker_id = self._heartbeat.worker_id
        # Before the question: what is claimed later is no difference.
        held, ended = list(self._slots), self._slots.take_ended_claims()
        rows = await self._jobs.fold_claims(worker_id, ended)
        running = {(row["id"], row["claim"]) for row in rows}
        for run in held:
            if run.worker_id != worker_id or (run.id, run.claim) not in running:
                self._abandon(run)
        known = {(run.id, run.claim) for run in self._slots}
        # Its answer may still be on the way: only what is unknown twice in a row is given back.
        unknown = running - known - {(run.id, run.claim) for run in held}
        await self._release(unknown & self._unknown, worker_id)
        self._unknown = unknown

    async def _release(self, lost: set[tuple[UUID, int]], worker_id: int) -> None:
        if not lost:
            return
        log.warning("returning %d claims whose answer was lost", len(lost))
        ended = [EndedRun(job_id, claim, Status.PENDING, attempts_back=1) for job_id, claim in lost]
        await self._jobs.end_runs(ended, worker_id)
