"""Gathers the jobs of batch handlers and calls these with them, in the event loop of the handlers.
When a call raises, it finds out which job is to blame, and charges no other."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import inf
from typing import Any

from monoq.app.batch import BatchJob, outcomes_of
from monoq.observe.log import current_run
from monoq.worker import call
from monoq.worker.environment import Environment
from monoq.worker.handle import context_of
from monoq.worker.run import RELEASED, Ending, Run

# After a call that took too long, the time limits of its jobs start again. The deadline check may
# still use the old ones.
SETTLE_S = 0.25

Group = tuple[str, str]  # type and tenant; "": jobs of any tenant


class Batcher:
    """`add` and `take_back` may be called by any thread; all else happens in the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        environment: Environment,
        begun: Callable[[Run], None],
        ended: Callable[[Run, Ending], object],
    ) -> None:
        self._loop = loop
        self._environment = environment
        self._begun = begun
        self._ended = ended
        self._lock = threading.Lock()
        self._waiting: dict[Group, list[Run]] = defaultdict(list)
        self._is_open = False
        self._timers: dict[Group, asyncio.TimerHandle] = {}
        self._calls: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """What handlers use is there: from now on they are called."""
        self._is_open = True
        self._look(list(self._waiting))

    def add(self, runs: Iterable[Run]) -> None:
        """Takes runs; returns at once."""
        groups: set[Group] = set()
        with self._lock:
            for run in runs:
                assert run.handler.batch
                group = (run.type, run.tenant_id if run.handler.batch.by_tenant else "")
                self._waiting[group].append(run)
                groups.add(group)
        self._loop.call_soon_threadsafe(self._look, groups)

    def take_back(self, claimed_before: float) -> list[Run]:
        """Runs that were claimed before this time and have not begun."""
        late: list[Run] = []
        with self._lock:
            for group, runs in list(self._waiting.items()):
                late += [run for run in runs if run.claimed_at < claimed_before]
                runs[:] = [run for run in runs if run.claimed_at >= claimed_before]
                if not runs:
                    del self._waiting[group]
        return late

    def _look(self, groups: Iterable[Group]) -> None:
        """Calls handlers whose batch is full; the others wait a moment more."""
        for group in groups if self._is_open else ():
            with self._lock:
                runs = self._waiting.get(group, [])
                policy = runs[0].handler.batch if runs else None
            if policy is None:
                continue
            for _ in range(len(runs) // policy.max_size):
                self._call(group)
            if self._waiting.get(group) and group not in self._timers:
                self._timers[group] = self._loop.call_later(policy.linger_s, self._ring, group)

    def _ring(self, group: Group) -> None:
        del self._timers[group]
        self._call(group)

    def _call(self, group: Group) -> None:
        with self._lock:
            waiting = self._waiting.get(group, [])
            policy = waiting[0].handler.batch if waiting else None
            runs = waiting[: policy.max_size] if policy else []
            del waiting[: len(runs)]
            if not waiting:
                self._waiting.pop(group, None)
                if timer := self._timers.pop(group, None):
                    timer.cancel()
        if runs:
            batch = Batch(self._environment, runs, self._ended)
            now = time.monotonic()
            for run in runs:
                run.batch = batch
                run.begin(now)
                self._begun(run)
            task = self._loop.create_task(batch.run(), name="batch")
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)


class Batch:
    """Runs that began together. `cancel` means that one of them has timed out or lost its claim."""

    def __init__(
        self,
        environment: Environment,
        runs: Sequence[Run],
        ended: Callable[[Run, Ending], object],
    ) -> None:
        self._environment = environment
        self._runs = list(runs)
        self._ended = ended
        self._jobs: dict[Run, BatchJob[Any]] = {}
        self._called: list[Run] = []  # those of the call in progress
        self._task: asyncio.Task[Any] | None = None

    def cancel(self, run: Run) -> None:
        """A call that has taken too long is cut off; so is one that has no job left."""
        over = run.timed_out or all(one.released for one in self._called)
        if self._task and run in self._called and over:
            self._task.cancel()

    async def run(self) -> None:
        """Settles every run, whatever happens."""
        try:
            await self._settle_all()
        except Exception as error:  # noqa: BLE001 - a backoff of a user's own may raise, for one
            for run in self._runs:
                if not run.ended_at:
                    self._end(run, call.unexpected(run, error))

    async def _settle_all(self) -> None:
        ready: list[Run] = []
        for run in self._runs:
            if run.is_late(run.started_at):
                self._end(run, RELEASED)
            elif isinstance(prepared := await self._prepare(run), Ending):
                await self._settle(run, prepared)
            else:
                self._jobs[run] = prepared
                ready.append(run)
        while ready:
            error = await self._try(ready)
            if error is None:
                return
            ready = await self._blame(ready, error)

    async def _prepare(self, run: Run) -> BatchJob[Any] | Ending:
        payload = call.parsed(run)
        if isinstance(payload, Ending):
            return payload
        context = context_of(run, self._environment)
        error = await call.before(run, context)
        return error or BatchJob(payload, context)

    async def _blame(self, runs: list[Run], error: BaseException) -> list[Run]:
        """Finds one run whose job makes the call raise, by halves, and ends it. Returns those that
        were in no good call so far. At most 2 + log2 of their number calls."""
        suspects, untested, was_alone = runs, list[Run](), len(runs) == 1
        while len(suspects) > 1:
            middle = (len(suspects) + 1) // 2
            left, right = suspects[:middle], suspects[middle:]
            raised = await self._try(left)
            if raised is None:
                suspects, was_alone = right, False
            else:
                suspects, was_alone, error = left, len(left) == 1, raised
                untested = right + untested
        if not was_alone:
            raised = await self._try(suspects)
            if raised is None:
                return untested
            error = raised
        for run in suspects:
            await self._settle(run, call.raised(run, error))
        return untested

    async def _try(self, runs: Sequence[Run]) -> BaseException | None:
        """Calls the handler for these, and ends them unless it raises."""
        self._called = [run for run in runs if not run.released]
        if not self._called:
            return None
        jobs = [self._jobs[run] for run in self._called]
        now = time.monotonic()
        for run in self._runs:  # time runs for those of this call only
            run.deadline = inf
        for run in self._called:
            run.timed_out = False
            run.deadline = now + run.timeout_s
        current_run.set(self._called[0])  # its type names the handler that blocks the loop
        function = self._called[0].handler.function
        self._task = asyncio.get_running_loop().create_task(_await(function, jobs))
        await asyncio.wait([self._task])
        called, self._called = self._called, []
        for run in called:
            run.deadline = inf
        if self._task.cancelled() or self._task.exception():
            if any(run.timed_out for run in called):
                await asyncio.sleep(SETTLE_S)
            return asyncio.CancelledError() if self._task.cancelled() else self._task.exception()
        try:
            outcomes = outcomes_of(self._task.result(), jobs)
        except TypeError as error:
            outcomes = [error] * len(jobs)
        for run, outcome in zip(called, outcomes, strict=True):
            await self._settle(run, call.ending_of(run, outcome, self._environment))
        return None

    async def _settle(self, run: Run, ending: Ending) -> None:
        if run.handler.hooks:
            async with asyncio.timeout(run.timeout_s):  # no other deadline applies here
                await call.after(run, context_of(run, self._environment), ending)
        self._end(run, ending)

    def _end(self, run: Run, ending: Ending) -> None:
        run.ended_at = time.monotonic()
        run.batch = None
        self._ended(run, ending)


async def _await(function: Callable[..., Awaitable[Any]], jobs: list[BatchJob[Any]]) -> Any:
    return await function(jobs)
