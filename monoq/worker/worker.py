"""One worker: fetcher → executor → completer around the jobs in hand, and their orderly end. It must never drop a job it holds."""

import asyncio

from monoq.live.publisher import Publisher
from monoq.registry import App
from monoq.service import Service
from monoq.store.jobs import JobStore
from monoq.upkeep.stager import Stager
from monoq.worker.completer import Completer
from monoq.worker.executor import Executor
from monoq.worker.fetcher import Fetcher, Slots
from monoq.worker.heartbeat import Heartbeat

RELEASE_AFTER = 0.7  # share of the shutdown time that running jobs get; the rest is for writing down what became of them


class Worker(Service):
    """Runs its parts as one service: a part that dies ends the worker."""

    name = "worker"

    def __init__(
        self,
        *,
        app: App,
        jobs: JobStore,
        redis_url: str,
        publisher: Publisher,
        heartbeat: Heartbeat,
        stager: Stager,
        batch_size: int,
        slots: int,
        threads: int,
        shutdown_timeout: float,
    ) -> None:
        super().__init__()
        self._grace_s = shutdown_timeout * RELEASE_AFTER
        self._slots = Slots(slots)
        self._completer = Completer(jobs=jobs, publisher=publisher, idle=lambda: self._executor.idle, settled=self._slots.settle)
        self._executor = Executor(threads=threads, ended=self._completer.add)
        self._fetcher = Fetcher(
            app=app,
            jobs=jobs,
            redis_url=redis_url,
            publisher=publisher,
            heartbeat=heartbeat,
            executor=self._executor,
            slots=self._slots,
            stager=stager,
            batch_size=batch_size,
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as parts:
            fetching = parts.create_task(self._fetcher.run(), name="fetcher")
            parts.create_task(self._executor.run(), name="executor")
            parts.create_task(self._completer.run(), name="completer")
            await self.stopping.wait()
            self._fetcher.stop()
            await fetching
            await self._finish_or_release()
            self._executor.stop()
            self._completer.stop()

    async def _finish_or_release(self) -> None:
        end = asyncio.get_running_loop().time() + self._grace_s
        while len(self._slots) and (left := end - asyncio.get_running_loop().time()) > 0:
            await self._slots.wait(left)
        self._executor.release_all()
