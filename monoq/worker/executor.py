"""Gives jobs to the pool they run in, and keeps their deadlines. It must never do IO of its own,
and never wait for a handler that will not stop."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence

from monoq.app.handler import Handler
from monoq.app.pool import Pool
from monoq.process.service import Service
from monoq.worker.call import timed_out
from monoq.worker.children import Children
from monoq.worker.environment import Environment
from monoq.worker.handler_loop import HandlerLoop
from monoq.worker.mailbox import Mailbox
from monoq.worker.read_ahead import ReadAhead, RunTimes
from monoq.worker.run import HELD_UP, RELEASED, START_WITHIN_S, Ending, Run
from monoq.worker.shares import LONG_S
from monoq.worker.stuck import Stuck
from monoq.worker.threads import Threads

log = logging.getLogger(__name__)

TICK_S = 0.1  # how exactly deadlines are kept
STUBBORN_S = 3.0  # how long after its deadline a handler may take to stop
BLOCKED_S = 0.25  # an event loop that does not turn for so long takes no more jobs
BLOCKING_S = 1.0  # an event loop that does not turn for so long is worth a warning
OPENING_S = 10.0  # the entering of the lifespans that takes so long is worth a warning
CLOSE_S = 2.0  # how long a stop waits for the lifespans to be left
UNKNOWN_BLOCK_S = 60.0  # how long a loop may be blocked by code that belongs to no run

Ended = tuple[Run, Ending]


class Executor(Service):
    """Runs jobs on the handlers' event loop, in threads and in child processes.

    Each end goes to `ended`, in the main loop; `changed` is called when there is room for more.
    `stuck` tells of handlers that cannot be stopped.
    """

    name = "executor"

    def __init__(
        self,
        *,
        handlers: Sequence[Handler],
        environment: Environment,
        threads: int,
        children: Children,
        ended: Callable[[Sequence[Ended]], None],
        changed: Callable[[], None],
    ) -> None:
        super().__init__()
        self.last_tick = time.monotonic()
        self._main = asyncio.get_running_loop()
        self._ended = Mailbox(self._main, ended)
        self._room: Mailbox[None] = Mailbox(self._main, lambda _: changed())
        self._running: set[Run] = set()
        self._handlers = handlers
        self._environment = environment
        self._threads = Threads(threads, environment, self._running.add, self._finish)
        self._orphans: set[Run] = set()  # plain functions that go on, though their job does not
        self._children = children
        self._child_runs: set[asyncio.Task[None]] = set()
        self._ahead = ReadAhead()
        self._run_times = {Pool.THREADS: RunTimes(), Pool.CHILDREN: RunTimes()}
        self.stuck = Stuck(self._threads)
        self._slow_opening_at = self.last_tick + OPENING_S
        self._loop = self._new_loop()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits to run."""
        return not (self._running or self._loop.unstarted or self._threads.unstarted)

    def room(self, pool: Pool, claiming: int) -> int:
        """How many more jobs could start within a moment, while `claiming` are about to come."""
        if not self._loop.opened:
            return 0
        if pool is Pool.LOOP:
            if time.monotonic() - self._loop.answered_at > BLOCKED_S:
                return 0
            unstarted = self._loop.unstarted
            allowed = max(1, self._ahead.allowed(self._loop.started, unstarted, time.monotonic()))
            room = allowed - unstarted - claiming
            # In handfuls: a claim costs as much for one job as for fifty.
            wanted = max(1, allowed // 4)
            if room < wanted:
                self._loop.drained_below = max(1, allowed - wanted - claiming)
                return 0
            return room
        if pool is Pool.THREADS:
            free = self._threads.free
        elif self._children.paused:
            return 0
        else:  # a task takes its place when it is made, not when it first runs
            free = self._children.size - len(self._child_runs)
        return max(0, free + self.ahead(pool) - claiming)

    def ahead(self, pool: Pool) -> int:
        """How many jobs of a pool may wait for a thread or a child, as short as they are."""
        if pool is Pool.LOOP:
            return 0
        size = self._threads.size if pool is Pool.THREADS else self._children.size
        began_before = time.monotonic() - LONG_S
        long = sum(
            run.pool is pool and 0 < run.started_at < began_before for run in list(self._running)
        )
        return self._run_times[pool].allowed(max(0, size - long))

    def start(self, runs: Iterable[Run]) -> None:
        """Takes claimed jobs to run; returns at once."""
        by_pool: dict[Pool, list[Run]] = {pool: [] for pool in Pool}
        for run in runs:
            by_pool[run.pool].append(run)
        if by_pool[Pool.LOOP]:
            self._loop.start(by_pool[Pool.LOOP])
        if by_pool[Pool.THREADS]:
            self._threads.start(by_pool[Pool.THREADS])
        for run in by_pool[Pool.CHILDREN]:
            run.task = self._main.create_task(self._run_in_child(run), name="child")
            self._child_runs.add(run.task)
            run.task.add_done_callback(self._child_runs.discard)

    async def run(self) -> None:
        """Keeps deadlines until `stop`."""
        while not self.stopping.is_set():
            now = time.monotonic()
            self._look_at_loop(now, now - self.last_tick)
            self._look_at_lifespans(now)
            self.last_tick = now
            for run in [run for run in list(self._running) if run.deadline <= now]:
                if run.deadline <= now:  # the time of a batch may have begun anew
                    self._overdue(run, now)
            for run in [run for run in self._orphans if run.ended_at or run.deadline <= now]:
                self._orphans.discard(run)
                if not run.ended_at:
                    self._threads.give_up(run)
            self._give_back(now - START_WITHIN_S)
            self.stuck.look()
            await self.pause(TICK_S)
        self._threads.stop()
        self._loop.stop()
        await asyncio.to_thread(self._loop.join, CLOSE_S)

    def abandon(self, run: Run) -> bool:
        """Stops a run whose job is not ours any more; its end is nobody's business. Returns whether
        it was running."""
        if run not in self._running:  # it has ended, and its job may be running here once more
            return False
        self._running.discard(run)
        self._cancel(run)
        return True

    def release_all(self) -> None:
        """Gives back every job in hand, attempt not charged: the grace of a stop is over."""
        self._give_back(float("inf"))
        for run in list(self._running):
            self._finish(run, RELEASED)
            self._cancel(run)

    async def _run_in_child(self, run: Run) -> None:
        self._running.add(run)
        ending = await self._children.run(run)
        if run.task:  # before anyone is told that there is room
            self._child_runs.discard(run.task)
        run.task = None
        self._finish(run, ending)

    def _finish(self, run: Run, ending: Ending) -> None:
        """By any thread."""
        if self._end(run, ending) and run.started_at and run.pool in self._run_times:
            self._run_times[run.pool].note(time.monotonic() - run.started_at)
        self._room.put(None)

    def _end(self, run: Run, ending: Ending) -> bool:
        """By any thread. Whoever takes the run out decides how it ended; returns whether it was
        this one."""
        try:
            self._running.remove(run)
        except KeyError:  # it was given up, released or abandoned meanwhile
            return False
        self._ended.put((run, ending))
        return True

    def _cancel(self, run: Run) -> None:
        """The end of the run is decided; what is left of it is stopped as far as it can be."""
        run.released = True
        match run.pool:
            case Pool.LOOP:
                self._loop.cancel(run)
            case Pool.THREADS:
                self._orphans.add(run)
            case Pool.CHILDREN if run.task:
                run.task.cancel()

    def _overdue(self, run: Run, now: float) -> None:
        if run.pool is Pool.THREADS:
            log.warning("job %s of type %s has timed out; its thread goes on", run.id, run.type)
            run.timed_out = True
            self._finish(run, timed_out(run))
            self._threads.give_up(run)
        elif not run.timed_out:
            run.timed_out = True
            if run.pool is Pool.LOOP:
                self._loop.cancel(run)
            elif run.task:
                run.task.cancel()
        elif run.deadline + STUBBORN_S <= now and run.pool is Pool.LOOP:
            if self._loop.current is run and now - self._loop.answered_at > STUBBORN_S:
                self._replace_loop(run)
            elif now - self._loop.answered_at < STUBBORN_S:
                self._finish(run, timed_out(run))
                self.stuck.stubborn += 1
                log.error(
                    "the handler of %s ignores its cancellation; job %s goes on without it",
                    run.type,
                    run.id,
                )

    def _give_back(self, claimed_before: float) -> None:
        """What has not begun by now is for another worker, or another moment."""
        late = [*self._loop.take_back(claimed_before), *self._threads.take_back(claimed_before)]
        for run in late:
            self._ended.put((run, RELEASED))
        for run in self._children.waiting(claimed_before):
            if run.task:
                run.task.cancel()

    def _new_loop(self) -> HandlerLoop:
        return HandlerLoop(
            self._handlers,
            self._environment,
            self._running.add,
            self._end,
            lambda: self._room.put(None),
        )

    def _look_at_loop(self, now: float, elapsed: float) -> None:
        """A handler that computes, or blocks, holds up the others on its event loop: that is told,
        and their time limits wait meanwhile."""
        self._loop.ask()
        blocked_s = now - self._loop.answered_at
        if blocked_s < 2 * TICK_S:
            return
        culprit = self._loop.current
        for run in list(self._running):
            if run.pool is Pool.LOOP and run is not culprit:
                run.deadline += elapsed
        if blocked_s > BLOCKING_S and culprit and not culprit.blocking_told:
            culprit.blocking_told = True
            log.warning(
                "the async handler of %s has blocked its event loop for %.1f s (job %s); other "
                "async jobs wait. Make it a plain `def`, which runs in a thread, or isolated=True",
                culprit.type,
                blocked_s,
                culprit.id,
            )
        if culprit is None and blocked_s > UNKNOWN_BLOCK_S:
            self._replace_loop(None)

    def _look_at_lifespans(self, now: float) -> None:
        """Without what they need, no handler can run: then the process ends, and says why."""
        if self._loop.failed:
            error = self._loop.failed
            raise RuntimeError(f"the lifespan of the handlers failed: {error!r}")
        if not self._loop.opened and now > self._slow_opening_at:
            self._slow_opening_at = now + OPENING_S
            log.warning("no job runs yet: the lifespan of the handlers has not yielded so far")

    def _replace_loop(self, culprit: Run | None) -> None:
        """A loop that is stuck is left to itself. Its other jobs are innocent: they go back."""
        log.error(
            "the event loop of the handlers is stuck%s; another takes its place",
            f" in the handler of {culprit.type}, job {culprit.id}" if culprit else "",
        )
        stuck = self._loop
        self.stuck.give_up(stuck)
        self._loop = self._new_loop()
        self._loop.start(stuck.take_back(float("inf")))
        for run in list(self._running):
            if run.pool is Pool.LOOP:
                run.released = True
                if culprit and culprit.batch and run.batch is culprit.batch:
                    self._finish(run, HELD_UP)
                else:
                    self._finish(run, timed_out(run) if run is culprit else RELEASED)
        stuck.stop()
