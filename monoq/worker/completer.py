"""Writes down how runs ended, in batches, and frees their slots. A slot is freed only when Postgres
has answered; until then the run is in hand, and nothing may forget it."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import asyncpg

from monoq.errors import DatabaseUnavailable
from monoq.job import Status
from monoq.live.change import Changes
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.observe.outage import Outage
from monoq.process import failpoint
from monoq.process.service import Service
from monoq.store.database import Row
from monoq.store.jobs import EndedRun, JobStore
from monoq.worker.run import Ending, Run
from monoq.worker.times import TimeKeeper

log = logging.getLogger(__name__)

Part = Sequence[tuple[Run, Ending]]

FLUSH_JOBS = 1000  # endings in one statement, at most
FLUSH_BYTES = 2 << 20  # of results in one statement, at most, unless one is larger
LINGER_S = 0.002  # how long endings wait for company while other jobs run; alone they do not wait
LANES = 3  # writes in progress at once
RETRY_S = 0.25  # pause after Postgres was away


class Completer(Service):
    """Flushes on size, after a moment, and at once when nothing else runs or at a stop."""

    name = "completer"

    def __init__(
        self,
        *,
        jobs: JobStore,
        publisher: Publisher,
        metrics: Metrics,
        times: TimeKeeper,
        idle: Callable[[], bool],
        settled: Callable[[Sequence[Run]], None],
    ) -> None:
        super().__init__()
        self._jobs = jobs
        self._publisher = publisher
        self._metrics = metrics
        self._times = times
        self._idle = idle
        self._settled = settled
        self._ended: list[tuple[Run, Ending]] = []
        self._arrived = asyncio.Event()
        self.pending_bytes = 0  # of results that are not written yet

    def add(self, ended: Part) -> None:
        """Takes the ends of runs; returns at once."""
        self._ended.extend(ended)
        self.pending_bytes += sum(ending.size for _, ending in ended)
        self._arrived.set()

    def stop(self) -> None:
        super().stop()
        self._arrived.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(LANES):
                lanes.create_task(self._write_batches())

    async def _write_batches(self) -> None:
        while self._ended or not self.stopping.is_set():
            if not self._ended:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            if len(self._ended) < FLUSH_JOBS and not self._idle() and not self.stopping.is_set():
                await asyncio.sleep(LINGER_S)
            count = self._next_batch()
            batch, self._ended = self._ended[:count], self._ended[count:]
            if batch:
                await self._write(batch)

    def _next_batch(self) -> int:
        """How many endings fit into a statement."""
        if self.pending_bytes <= FLUSH_BYTES:
            return FLUSH_JOBS
        size = 0
        for count, (_, ending) in enumerate(self._ended[:FLUSH_JOBS]):
            size += ending.size
            if size > FLUSH_BYTES:
                return max(1, count)
        return FLUSH_JOBS

    async def _write(self, batch: Part) -> None:
        by_worker: dict[tuple[int, bool], list[tuple[Run, Ending]]] = defaultdict(list)
        for run, ending in batch:
            by_worker[run.worker_id, ending.status is Status.COMPLETED].append((run, ending))
        for (worker_id, completed), part in by_worker.items():
            failpoint.hit("before_finish")
            await self._finish(worker_id, completed, part)
            self.pending_bytes -= sum(ending.size for _, ending in part)
            self._settled([run for run, _ in part])

    async def _finish(self, worker_id: int, completed: bool, part: Part) -> None:
        """Returns when it is written. An outage is waited out; as the write may have got through
        before it, it counts no stale rows."""
        outage = Outage(log, "writing results")
        while True:
            try:
                rows = await (
                    self._complete(worker_id, part) if completed else self._end(worker_id, part)
                )
                finished = await self._finished_by_handlers(part)
            except DatabaseUnavailable as error:
                if error.timed_out and outage.is_on and len(part) > 1:
                    # It may be too large for its time limit, and would be for ever.
                    await self._finish_by_halves(worker_id, completed, part, error)
                    return
                outage.failed(f"{len(part)} jobs wait for PostgreSQL: {error}")
                await asyncio.sleep(RETRY_S)
                continue
            except (
                asyncpg.DataError,
                asyncpg.ProgramLimitExceededError,
                ValueError,
                OverflowError,
            ) as error:
                await self._finish_by_halves(worker_id, completed, part, error)
                return
            if outage.is_on:
                outage.over()
            elif missing := len(part) - len(rows) - len(finished):
                self._metrics.stale.inc(missing)
                log.warning(
                    "%d results came too late: their jobs had been rescued or cancelled",
                    missing,
                )
            self._count(part, rows, completed)
            if not completed:
                _log_failed(part, rows)
            failpoint.hit("after_finish")
            self._publish(part, rows)
            self._publish_finished(finished)
            return

    async def _finish_by_halves(
        self, worker_id: int, completed: bool, part: Part, error: Exception
    ) -> None:
        """One row that Postgres refuses must not block the others; alone, it fails with a message
        that can be stored."""
        if len(part) > 1:
            middle = len(part) // 2
            await self._finish(worker_id, completed, part[:middle])
            await self._finish(worker_id, completed, part[middle:])
            return
        log.error("PostgreSQL rejects the end of job %s: %s", part[0][0].id, error)
        await self._finish(
            worker_id,
            False,
            [(part[0][0], Ending(Status.FAILED, error="how it ended could not be stored"))],
        )

    async def _complete(self, worker_id: int, part: Part) -> Sequence[Row]:
        return await self._jobs.complete_jobs(
            [run.id for run, _ in part],
            [run.claim for run, _ in part],
            [ending.result for _, ending in part],
            worker_id,
        )

    async def _end(self, worker_id: int, part: Part) -> Sequence[Row]:
        ended = [
            EndedRun(
                run.id,
                run.claim,
                ending.status,
                ending.delay_ms,
                ending.attempts_back,
                ending.lost,
                ending.deaths,
                ending.error,
                ending.traceback,
            )
            for run, ending in part
        ]
        return await self._jobs.end_runs(ended, worker_id)

    def _count(self, part: Part, rows: Sequence[Row], completed: bool) -> None:
        now = time.monotonic()
        self._metrics.runs_ended(part, rows, completed=completed, now=now)
        if len(rows) == len(part):
            runs = [run for run, _ in part]
        else:
            written = {row["id"] for row in rows}
            runs = [run for run, _ in part if run.id in written]
        self._times.ended(runs, now)

    def _publish(self, part: Part, rows: Sequence[Row]) -> None:
        if not rows:
            return
        versions = {job_id: version for job_id, version, _ in rows}
        by_status: dict[Status, Changes] = {}
        for run, ending in part:
            if version := versions.get(run.id):
                changes = by_status.get(ending.status)
                if changes is None:
                    changes = by_status[ending.status] = Changes(ending.status, at=rows[0]["at"])
                attempts = run.attempt - ending.attempts_back
                changes.add(run.tenant_id, run.id, version, run.type, attempts, ending.error)
        self._publisher.publish(*by_status.values())

    async def _finished_by_handlers(self, part: Part) -> list[Run]:
        """Those whose handler has ended them by its own transaction, which was committed."""
        ended = [(run, ending.finished) for run, ending in part if ending.finished]
        if not ended:
            return []
        found = await self._jobs.find_completed(
            [run.id for run, _ in ended], [version for _, (version, _) in ended]
        )
        for run, finished in ended:  # a child has reported it
            run.finished = finished
        return [run for run, _ in ended if run.id in found]

    def _publish_finished(self, runs: Sequence[Run]) -> None:
        """These are COMPLETED, each by its handler's own transaction."""
        for run in runs:
            assert run.finished
            version, at = run.finished
            changes = Changes(Status.COMPLETED, at=at)
            changes.add(run.tenant_id, run.id, version, run.type, run.attempt)
            self._publisher.publish(changes)
        if runs:
            self._metrics.runs_finished(list(runs), now=time.monotonic())
            self._times.ended(runs, time.monotonic())


def _log_failed(part: Part, rows: Sequence[Row]) -> None:
    """A line for each job that has failed for good."""
    if not log.isEnabledFor(logging.INFO):
        return
    written = {row["id"] for row in rows}
    for run, ending in part:
        if ending.status is Status.FAILED and run.id in written:
            log.info(
                "job %s of type %s of tenant %s failed in attempt %d of %d: %s",
                run.id,
                run.type,
                run.tenant_id,
                run.attempt,
                run.max_attempts,
                ending.error,
            )
