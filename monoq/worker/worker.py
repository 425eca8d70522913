"""One worker: fetcher → executor → completer around the jobs in hand, and their orderly end. It must never drop a job it holds."""

import asyncio
import time
from collections.abc import Sequence

from monoq.live.publisher import Publisher
from monoq.observe import Metrics
from monoq.queue.ready import Ready
from monoq.registry import App
from monoq.service import Service
from monoq.store.jobs import JobStore
from monoq.upkeep.stager import Stager
from monoq.worker.auditor import Auditor
from monoq.worker.children import Children
from monoq.worker.completer import Completer
from monoq.worker.executor import Executor
from monoq.worker.fetcher import Fetcher, Slots
from monoq.worker.heartbeat import Heartbeat
from monoq.worker.picker import Picker
from monoq.worker.run import Run

RELEASE_AFTER = 0.7  # share of the shutdown time that running jobs get; the rest is for writing down what became of them
QUIET_S = 2.0  # a loop that ticks more often than this is not stuck


class Worker(Service):
    """Runs its parts as one service: a part that dies ends the worker."""

    name = "worker"

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
        stager: Stager,
        metrics: Metrics,
        batch_size: int,
        slots: int,
        threads: int,
        children: int,
        child_command: Sequence[str],
        max_result: int,
        shutdown_timeout: float,
    ) -> None:
        super().__init__()
        self._grace_s = shutdown_timeout * RELEASE_AFTER
        self._slots = Slots(slots)
        self._children = Children(command=child_command, size=children, max_result=max_result)
        self._completer = Completer(jobs=jobs, publisher=publisher, metrics=metrics, idle=self._is_idle, settled=self._slots.settle)
        self._executor = Executor(
            threads=threads,
            max_result=max_result,
            isolated=self._children.run,
            ended=self._completer.add,
        )
        self._auditor = Auditor(jobs=jobs, heartbeat=heartbeat, in_hand=lambda: self._slots, abandon=self._abandon)
        self._fetcher = Fetcher(
            app=app,
            jobs=jobs,
            redis_url=redis_url,
            ready=ready,
            picker=picker,
            publisher=publisher,
            heartbeat=heartbeat,
            executor=self._executor,
            slots=self._slots,
            stager=stager,
            metrics=metrics,
            batch_size=batch_size,
        )
        heartbeat.watch(self._stuck_since)
        metrics.slots.set(slots)
        metrics.slots_used.set_function(lambda: len(self._slots))

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as parts:
                fetching = parts.create_task(self._fetcher.run(), name="fetcher")
                parts.create_task(self._executor.run(), name="executor")
                parts.create_task(self._completer.run(), name="completer")
                parts.create_task(self._auditor.run(), name="auditor")
                await self.stopping.wait()
                self._fetcher.stop()
                self._auditor.stop()
                await fetching
                await self._finish_or_release()
                self._executor.stop()
                self._completer.stop()
        finally:
            await self._children.close()

    async def _finish_or_release(self) -> None:
        end = asyncio.get_running_loop().time() + self._grace_s
        while len(self._slots) and (left := end - asyncio.get_running_loop().time()) > 0:
            await self._slots.wait(left)
        self._executor.release_all()

    def _abandon(self, run: Run) -> None:
        """Its job was cancelled, or rescued and given to another: its slot is free as soon as the run is stopped."""
        if self._executor.abandon(run):
            self._slots.settle([run])

    def _is_idle(self) -> bool:
        """Nothing runs and nothing is about to: what has ended need not wait for company."""
        return self._executor.idle and not self._fetcher.claiming

    def _stuck_since(self) -> float:
        """Asked by the heartbeat's thread: when the loop missed the first deadline it could not keep; inf while it ticks."""
        if time.monotonic() - self._executor.last_tick < QUIET_S:
            return float("inf")
        return self._executor.oldest_deadline
