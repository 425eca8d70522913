"""The event loop of async handlers, in a thread of its own: a handler that computes, or blocks,
holds up this loop and nothing else. It must keep no promise to anybody: claims, ends and leases are
kept by the other threads."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import uvloop

from monoq.app.handler import Handler
from monoq.observe.log import current_run
from monoq.worker.batcher import Batcher
from monoq.worker.call import end_of, still_cancelled, unexpected
from monoq.worker.environment import Environment, lifespans
from monoq.worker.run import RELEASED, Ending, Run

log = logging.getLogger(__name__)

TASKS_END_WITHIN_S = 1.0  # once they are cancelled
BREATH_S = 0.005  # handlers that never wait let the event loop breathe this often


class _Task(asyncio.Task[Any]):
    """A task that knows its run, so that code outside the task can look it up."""

    run: Run | None = None


class HandlerLoop:
    """Runs jobs side by side.

    There is no task per job: a runner takes one job after the other, and before it starts one it
    makes sure that another runner stands by. The one standing by gets to run only if the handler
    waits for something, so handlers that never do are run by a single task, and those that do run
    side by side.
    """

    def __init__(
        self,
        handlers: Sequence[Handler],
        environment: Environment,
        begun: Callable[[Run], None],
        ended: Callable[[Run, Ending], object],
        drained: Callable[[], None],
    ) -> None:
        self.started = 0  # runs that ever began
        self.answered_at = time.monotonic()  # when it was last seen to turn
        self.drained_below: int | None = None  # `drained` is called once fewer than this wait
        self.opened = False  # whether the lifespans of the handlers have been entered
        self.failed: Exception | None = None  # why they could not be
        self._handlers = handlers
        self._environment = environment
        self._begun = begun
        self._ended = ended
        self._drained = drained
        self._waiting: deque[Run] = deque()
        self._woken = False
        self._standby: asyncio.Task[None] | None = None
        self._breathing = 0
        self._runners: set[asyncio.Task[None]] = set()
        self._asked = False
        self._loop = uvloop.new_event_loop()
        self._loop.set_task_factory(_make_task)
        self._stop = self._loop.create_future()
        self._has_batches = any(handler.batch for handler in handlers)
        self._batcher = Batcher(self._loop, environment, self._begin, ended)
        self._thread = threading.Thread(target=self._turn, name="handlers", daemon=True)
        self._thread.start()

    @property
    def unstarted(self) -> int:
        """How many runs wait for their turn; those of batches only wait for company."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether its thread has not ended."""
        return self._thread.is_alive()

    @property
    def current(self) -> Run | None:
        """The run whose code blocks the loop now, if it is known."""
        task = asyncio.current_task(self._loop)
        return task.run if isinstance(task, _Task) else None

    def start(self, runs: Sequence[Run]) -> None:
        """Takes runs; returns at once."""
        batched = [run for run in runs if run.handler.batch] if self._has_batches else ()
        if batched:
            self._batcher.add(batched)
            runs = [run for run in runs if not run.handler.batch]
        self._waiting.extend(runs)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._wake)

    def take_back(self, claimed_before: float) -> list[Run]:
        """Runs that were claimed before this time and have not begun."""
        late = self._batcher.take_back(claimed_before)
        while self._waiting:
            try:
                run = self._waiting.popleft()
            except IndexError:  # a runner was quicker
                break
            if run.claimed_at >= claimed_before:
                self._waiting.appendleft(run)
                break
            late.append(run)
        return late

    def ask(self) -> None:
        """Pings the loop; `answered_at` is the time of its answer."""
        if not self._asked:
            self._asked = True
            self._loop.call_soon_threadsafe(self._answer)

    def cancel(self, run: Run) -> None:
        """Cancels the task of a run, if the task still works for that run by then."""
        self._loop.call_soon_threadsafe(_cancel, run)

    def stop(self) -> None:
        """Cancels what runs, leaves the lifespans and ends the thread, as soon as their code lets
        it."""
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(_set, self._stop)

    def join(self, seconds: float) -> None:
        """Waits for the end of the thread, at most so long."""
        self._thread.join(seconds)

    def _begin(self, run: Run) -> None:
        self.started += 1
        self._begun(run)

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        """The time of the lifespans: what handlers use is there before the first job begins, and
        until the last one has ended."""
        try:
            async with lifespans(*self._handlers) as states:
                self._environment.states = states
                self.opened = True
                self._drained()
                self._stand_by()
                self._batcher.open()
                await self._stop
                await self._end_tasks()
        except Exception as error:
            log.exception("the lifespan of the handlers failed")
            self.failed = error

    async def _end_tasks(self) -> None:
        left = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=TASKS_END_WITHIN_S)

    def _answer(self) -> None:
        self._asked = False
        self.answered_at = time.monotonic()

    def _wake(self) -> None:
        self._woken = False
        if self.opened:
            self._stand_by()

    def _stand_by(self) -> None:
        if self._waiting and self._standby is None:
            self._standby = self._loop.create_task(self._run_jobs(), name="runner")
            self._runners.add(self._standby)
            self._standby.add_done_callback(self._runners.discard)

    async def _run_jobs(self) -> None:
        self._standby = None
        if self._breathing:
            return  # a runner whose handler does not wait continues in a moment: one is enough
        me = asyncio.current_task()
        assert isinstance(me, _Task)
        now = time.monotonic()
        breath = now + BREATH_S
        while True:
            try:
                run = self._waiting.popleft()
            except IndexError:
                return
            if self.drained_below is not None and len(self._waiting) < self.drained_below:
                self.drained_below = None
                self._drained()
            if self._standby is None:
                self._stand_by()
            run.task = me
            me.run = run
            run.begin(now)
            self.started += 1
            current_run.set(run)
            self._begun(run)
            try:
                ending = (
                    RELEASED if run.is_late(now) else await end_of(run, _never, self._environment)
                )
            except Exception as error:  # noqa: BLE001 - or the run would be in hand until its deadline
                ending = unexpected(run, error)
            run.ended_at = now = time.monotonic()
            # A task and its run that know one another would stay, with the payload, until the
            # garbage collector looks, which is seldom.
            me.run = run.task = None
            self._ended(run, ending)
            if run.timed_out or run.released or still_cancelled(me):
                self._stand_by()
                return  # a cancellation may still be on its way: no other job is to meet it
            if now > breath:
                self._breathing += 1
                await asyncio.sleep(0)
                self._breathing -= 1
                now = time.monotonic()
                breath = now + BREATH_S


async def _never(*_: Any) -> Any:
    raise AssertionError("plain functions run in threads")


def _make_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> _Task:
    task = _Task(coro, loop=loop, **options)
    run = current_run.get(None)
    task.run = run if isinstance(run, Run) else None
    return task


def _set(stop: "asyncio.Future[None]") -> None:
    if not stop.done():
        stop.set_result(None)


def _cancel(run: Run) -> None:
    if run.batch:
        run.batch.cancel(run)
        return
    if isinstance(run.task, _Task) and run.task.run is run and not run.ended_at:
        run.task.cancel()
