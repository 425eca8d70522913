"""Runs handlers and turns what happened into an Ending. It must never do IO of its own, and never let a handler's error escape."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from monoq import codec
from monoq.errors import InvalidJson
from monoq.job import Status
from monoq.outcome import Cancel, Fail, Outcome, Retry, Snooze
from monoq.registry import JobContext
from monoq.service import Service
from monoq.worker.run import RELEASED, Ending, Run

log = logging.getLogger(__name__)

TICK_S = 0.1  # how exactly deadlines are kept
BREATH_S = 0.005  # handlers that never wait let the event loop breathe this often


class Executor(Service):
    """Runs jobs on the event loop, plain functions in threads; each run's end goes to `ended`.

    There is no task per job: a runner takes one job after the other, and before it starts one it makes sure that another
    runner stands by. The one standing by gets to run only if the handler waits for something, so handlers that never do
    are run by a single task, and those that do run side by side.
    """

    name = "executor"

    def __init__(self, *, threads: int, ended: Callable[[Run, Ending], None]) -> None:
        super().__init__()
        self._ended = ended
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="handler")
        self._free_threads = threads
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

    def start(self, runs: Iterable[Run]) -> None:
        """Takes claimed jobs to run; returns at once."""
        self._waiting.extend(runs)
        self._stand_by()

    async def run(self) -> None:
        """Keeps deadlines until `stop`."""
        while not self.stopping.is_set():
            now = time.monotonic()
            for run in [run for run in self._running.values() if run.deadline <= now and not run.timed_out]:
                run.timed_out = True
                if run.task:
                    run.task.cancel()
            await self.pause(TICK_S)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def release_all(self) -> None:
        """Gives back every job in hand, attempt not charged: the grace of a stop is over."""
        while self._waiting:
            self._ended(self._waiting.popleft(), RELEASED)
        for run in list(self._running.values()):
            if self._running.pop(run.id, None):
                self._ended(run, RELEASED)
                if run.task:
                    run.task.cancel()

    def _stand_by(self) -> None:
        if self._waiting and self._standby is None:
            self._standby = asyncio.create_task(self._run_jobs(), name="runner")
            self._runners.add(self._standby)
            self._standby.add_done_callback(self._runners.discard)

    async def _run_jobs(self) -> None:
        self._standby = None
        me = asyncio.current_task()
        assert me is not None
        breath = time.monotonic() + BREATH_S
        while self._waiting:
            run = self._waiting.popleft()
            self._stand_by()
            run.task = me
            self._running[run.id] = run
            ending = await self._end_of(run)
            if self._running.pop(run.id, None) is not None:  # else it was given up meanwhile, and its ending was written
                self._ended(run, ending)
            if me.cancelling() or run.timed_out:
                self._stand_by()
                return  # a cancellation may still be on its way: no other job is to meet it
            if time.monotonic() > breath:
                await asyncio.sleep(0)
                breath = time.monotonic() + BREATH_S

    async def _end_of(self, run: Run) -> Ending:
        try:
            outcome = await self._call(run)
            if isinstance(outcome, Outcome):
                return _asked_ending(run, outcome)
            return Ending(Status.COMPLETED, result=None if outcome is None else codec.dumps(outcome))
        except Outcome as outcome:
            return _asked_ending(run, outcome)
        except ValidationError as error:
            return Ending(Status.FAILED, error=codec.clean_text(f"the payload does not fit its handler: {error}"))
        except InvalidJson as error:
            return Ending(Status.FAILED, error=f"the result is not JSON: {error}")
        except asyncio.CancelledError:
            if run.timed_out:
                return _failed_attempt(run, f"timed out after {run.timeout_s:g} s")
            return RELEASED if self.stopping.is_set() else _failed_attempt(run, "cancelled")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a handler may raise anything
            return _failed_attempt(run, _described(error))

    async def _call(self, run: Run) -> Any:
        handler = run.handler
        args: list[Any] = []
        if handler.takes_payload:
            args.append(handler.parse(run.payload))
        if handler.takes_context:
            args.append(JobContext(run.id, run.tenant_id, run.type, run.attempt, run.max_attempts, run.deadline))
        if handler.is_async:
            return await handler.function(*args)
        self._free_threads -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, handler.function, *args)
        finally:
            self._free_threads += 1


def _asked_ending(run: Run, outcome: Outcome) -> Ending:
    match outcome:
        case Snooze(delay=delay):
            return Ending(Status.PENDING, delay_ms=_milliseconds(delay), attempts_back=1)
        case Retry(delay=delay):
            return _failed_attempt(run, str(outcome), delay)
        case Cancel():
            return Ending(Status.CANCELLED, error=codec.clean_text(str(outcome)))
        case Fail():
            return Ending(Status.FAILED, error=codec.clean_text(str(outcome)))
        case _:
            return Ending(Status.FAILED, error=codec.clean_text(f"unknown outcome {outcome!r}"))


def _failed_attempt(run: Run, error: str, delay: float | None = None) -> Ending:
    """A failed attempt runs again after its backoff; the last one is the end."""
    error = codec.clean_text(error)
    if run.attempt >= run.max_attempts:
        return Ending(Status.FAILED, error=error)
    return Ending(Status.PENDING, error=error, delay_ms=_milliseconds(run.handler.backoff.delay(run.attempt) if delay is None else delay))


def _described(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - its own __str__ may fail, too
        return type(error).__name__


def _milliseconds(seconds: float) -> int:
    return int(min(max(seconds, 0.0), 366 * 86_400.0) * 1000)
