"""One worker: fetchers → executor → completer around the jobs in hand, and their orderly end. It
must never drop a job it holds."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from monoq.app.pool import Pool
from monoq.app.registry import App
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.process.service import Service
from monoq.queue.lists import menus_of
from monoq.queue.ready import Ready
from monoq.store.due import Due
from monoq.store.jobs import JobStore
from monoq.store.limits import Limits
from monoq.upkeep.stager import Stager
from monoq.worker.auditor import Auditor
from monoq.worker.children import Children
from monoq.worker.claimer import Claimer
from monoq.worker.completer import Completer
from monoq.worker.environment import Environment
from monoq.worker.executor import Executor
from monoq.worker.fetcher import Fetcher
from monoq.worker.heartbeat import Heartbeat
from monoq.worker.payloads import Payloads
from monoq.worker.picker import Picker
from monoq.worker.reporter import Reporter
from monoq.worker.run import RELEASED, Run
from monoq.worker.shares import Shares
from monoq.worker.slots import Slots
from monoq.worker.source import Source
from monoq.worker.times import TimeKeeper

# share of the shutdown time that running jobs get; the rest is for writing down what became of them
RELEASE_AFTER = 0.7


@dataclass(frozen=True)
class Sizes:
    """How much a worker does at once. `max_share`: the part of each kind of capacity that one
    tenant may hold."""

    batch: int
    slots: int
    threads: int
    children: int
    max_share: float


class Worker(Service):
    """Runs its parts as one service: a part that dies ends the worker."""

    name = "worker"

    def __init__(
        self,
        *,
        app: App,
        jobs: JobStore,
        looks: JobStore,
        limits: Limits,
        redis_url: str,
        ready: Ready,
        publisher: Publisher,
        heartbeat: Heartbeat,
        stager: Stager,
        metrics: Metrics,
        sizes: Sizes,
        children: Children,
        environment: Environment,
        reporter: Reporter,
        times: TimeKeeper,
        shutdown_timeout: float,
    ) -> None:
        super().__init__()
        self._stager = stager
        self._grace_s = shutdown_timeout * RELEASE_AFTER
        capacity = {
            Pool.LOOP: sizes.slots,
            Pool.THREADS: sizes.threads,
            Pool.CHILDREN: sizes.children,
        }
        self._slots = Slots(sizes.slots, Shares(capacity, sizes.max_share))
        self._children = children
        self._reporter = reporter
        self._completer = Completer(
            jobs=jobs,
            publisher=publisher,
            metrics=metrics,
            times=times,
            idle=self._is_idle,
            settled=self._settle,
        )
        self._executor = Executor(
            handlers=list(app),
            environment=environment,
            threads=sizes.threads,
            children=children,
            ended=self._completer.add,
            changed=self._slots.change,
        )
        self._payloads = Payloads(
            jobs=jobs,
            start=self._executor.start,
            give_back=lambda runs: self._completer.add([(run, RELEASED) for run in runs]),
            result_bytes=lambda: self._completer.pending_bytes,
        )
        self._auditor = Auditor(
            jobs=jobs, heartbeat=heartbeat, slots=self._slots, abandon=self._abandon
        )
        menus = menus_of(*(app.types_of(pool) for pool in Pool))
        self._fetchers = [
            Fetcher(
                Claimer(
                    pool,
                    takes,
                    app=app,
                    jobs=jobs,
                    heartbeat=heartbeat,
                    limits=limits,
                    publisher=publisher,
                    metrics=metrics,
                ),
                Source(
                    pool,
                    takes,
                    redis_url=redis_url,
                    ready=ready,
                    picker=Picker(Due(looks, sorted(takes), limits)),
                    stager=stager,
                    metrics=metrics,
                ),
                heartbeat=heartbeat,
                executor=self._executor,
                payloads=self._payloads,
                slots=self._slots,
                batch_size=sizes.batch,
            )
            for pool, takes in menus.items()
            if takes
        ]
        heartbeat.watch(
            last_tick=lambda: self._executor.last_tick,
            hung=lambda: self._executor.stuck.count,
            run_s=metrics.run.mean,
        )
        metrics.slots.set(sizes.slots)
        metrics.slots_used.set_function(lambda: len(self._slots))
        metrics.hung.set_function(lambda: self._executor.stuck.count)

    @property
    def hung(self) -> int:
        """Handlers that cannot be stopped."""
        return self._executor.stuck.count

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as parts:
                fetching = [
                    parts.create_task(fetcher.run(), name="fetcher") for fetcher in self._fetchers
                ]
                for part in (
                    self._executor,
                    self._payloads,
                    self._completer,
                    self._auditor,
                    self._reporter,
                ):
                    parts.create_task(part.run(), name=part.name)
                await self._until_stopped()
                for fetcher in self._fetchers:
                    fetcher.stop()
                self._auditor.stop()
                self._slots.wake_all()
                await asyncio.gather(*fetching)
                await self._finish_or_release()
                self._payloads.stop()
                self._executor.stop()
                self._completer.stop()
                self._reporter.stop()
        finally:
            await self._children.close()
        if self._executor.stuck.exhausted_by:
            raise RuntimeError(self._executor.stuck.exhausted_by)

    async def _until_stopped(self) -> None:
        """Returns at a stop, or when too many handlers cannot be stopped: then what can be finished
        is."""
        waits = [
            asyncio.create_task(event.wait())
            for event in (self.stopping, self._executor.stuck.exhausted)
        ]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _finish_or_release(self) -> None:
        end = asyncio.get_running_loop().time() + self._grace_s
        while len(self._slots) and (left := end - asyncio.get_running_loop().time()) > 0:
            await self._slots.wait(left)
        self._completer.add([(run, RELEASED) for run in self._payloads.take_back()])
        self._executor.release_all()
        await asyncio.sleep(0)  # the ends that this has decided reach the completer

    def _settle(self, runs: Sequence[Run]) -> None:
        self._stager.runs_ended(keyed=any(run.keyed for run in runs))
        self._payloads.settle(runs)
        self._slots.settle(runs)

    def _abandon(self, run: Run) -> None:
        """Its job was cancelled, or rescued and given to another: its slot is free as soon as the
        run is stopped."""
        if self._executor.abandon(run):
            self._settle([run])

    def _is_idle(self) -> bool:
        """Nothing runs and nothing is about to: what has ended need not wait for company."""
        return self._executor.idle and not any(map(self._slots.claiming, Pool))
