"""Runs jobs side by side and keeps their deadlines. It must never do IO of its own, and never wait for a handler that will not stop."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any
from uuid import UUID

from monoq.log import current_run
from monoq.service import Service
from monoq.worker.call import end_of, still_cancelled, timed_out
from monoq.worker.run import RELEASED, Ending, Run

log = logging.getLogger(__name__)

TICK_S = 0.1  # how exactly deadlines are kept
BREATH_S = 0.005  # handlers that never wait let the event loop breathe this often
STUBBORN_S = 3.0  # how long after its deadline a handler may take to stop; less than the 5 s after which others rescue its job
MAX_STUBBORN = 100  # handlers that ignore their cancellation: beyond it this process is no good any more


class Executor(Service):
    """Runs jobs on the event loop, plain functions in threads, suspects and isolated types elsewhere; each end goes to `ended`.

    There is no task per job: a runner takes one job after the other, and before it starts one it makes sure that another
    runner stands by. The one standing by gets to run only if the handler waits for something, so handlers that never do
    are run by a single task, and those that do run side by side.
    """

    name = "executor"

    def __init__(
        self,
        *,
        threads: int,
        max_result: int,
        isolated: Callable[[Run], Awaitable[Ending]],
        ended: Callable[[Run, Ending], None],
    ) -> None:
        super().__init__()
        self.last_tick = time.monotonic()
        self._max_result = max_result
        self._isolated = isolated
        self._ended = ended
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="handler")
        self._free_threads = threads
        self._stubborn = 0
        self._waiting: deque[Run] = deque()
        self._running: dict[UUID, Run] = {}
        self._standby: asyncio.Task[None] | None = None
        self._runners: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits to run."""
        return not self._waiting and not self._running

    @property
    def saturated(self) -> bool:
        """Whether jobs wait for a thread: to claim more of them would only take them from other workers."""
        return self._free_threads <= 0

    @property
    def oldest_deadline(self) -> float:
        """The earliest deadline of what runs, on the monotonic clock; may be asked by another thread."""
        return min((run.deadline for run in list(self._running.values())), default=float("inf"))

    def start(self, runs: Iterable[Run]) -> None:
        """Takes claimed jobs to run; returns at once."""
        self._waiting.extend(runs)
        self._stand_by()

    async def run(self) -> None:
        """Keeps deadlines until `stop`."""
        while not self.stopping.is_set():
            self.last_tick = now = time.monotonic()
            for run in [run for run in self._running.values() if run.deadline <= now]:
                if not run.timed_out:
                    run.timed_out = True
                    _cancel(run)
                elif run.deadline + STUBBORN_S <= now:
                    self._give_up(run)
            await self.pause(TICK_S)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def abandon(self, run: Run) -> bool:
        """Stops a run whose job is not ours any more; its end is nobody's business. Returns whether it was running."""
        if self._running.get(run.id) is not run:  # it has ended, and its job may be running here once more
            return False
        del self._running[run.id]
        run.released = True
        _cancel(run)
        return True

    def release_all(self) -> None:
        """Gives back every job in hand, attempt not charged: the grace of a stop is over."""
        while self._waiting:
            self._ended(self._waiting.popleft(), RELEASED)
        for run in list(self._running.values()):
            del self._running[run.id]
            self._ended(run, RELEASED)
            run.released = True
            _cancel(run)

    def _give_up(self, run: Run) -> None:
        """Its job goes on without it; the handler itself cannot be stopped from here."""
        del self._running[run.id]
        self._ended(run, timed_out(run))
        self._stubborn += 1
        log.error("the handler of %s ignores its cancellation; job %s goes on without it", run.type, run.id)
        if self._stubborn > MAX_STUBBORN:
            raise RuntimeError(f"more than {MAX_STUBBORN} handlers ignore their cancellation: this process must be replaced")

    def _stand_by(self) -> None:
        if self._waiting and self._standby is None:
            self._standby = asyncio.create_task(self._run_jobs(), name="runner")
            self._runners.add(self._standby)
            self._standby.add_done_callback(self._runners.discard)

    async def _run_jobs(self) -> None:
        self._standby = None
        me = asyncio.current_task()
        assert me is not None
        now = time.monotonic()
        breath = now + BREATH_S
        while self._waiting:
            run = self._waiting.popleft()
            if self._standby is None:
                self._stand_by()
            run.task = me
            current_run.set(run)
            self._running[run.id] = run
            if run.suspect or run.handler.isolated:
                ending = await self._isolated(run)
            else:
                run.begin(now)
                ending = await end_of(run, self._in_thread, self._max_result)
            if self._running.get(run.id) is run:  # else it was given up or abandoned meanwhile
                del self._running[run.id]
                self._ended(run, ending)
            run.ended_at = now = time.monotonic()
            if run.timed_out or run.released or still_cancelled(me):
                self._stand_by()
                return  # a cancellation may still be on its way: no other job is to meet it
            if now > breath:
                await asyncio.sleep(0)
                now = time.monotonic()
                breath = now + BREATH_S

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        loop = asyncio.get_running_loop()

        def free_thread(_: "Future[Any]") -> None:
            with suppress(RuntimeError):  # the loop is gone: the process ends
                loop.call_soon_threadsafe(self._thread_is_free)

        self._free_threads -= 1
        future = self._threads.submit(copy_context().run, function, *args)
        future.add_done_callback(free_thread)  # when the function has really returned, which no cancellation brings about
        return await asyncio.wrap_future(future)

    def _thread_is_free(self) -> None:
        self._free_threads += 1


def _cancel(run: Run) -> None:
    if run.task:
        run.task.cancel()
