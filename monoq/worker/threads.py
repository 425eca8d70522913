"""Threads for plain functions. A thread cannot be stopped: one whose function is past its deadline
is replaced by another, and ends when the function returns. It must never hold up the end of the
process."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any

from monoq.observe.log import current_run
from monoq.worker.call import end_of, unexpected
from monoq.worker.environment import Environment
from monoq.worker.run import RELEASED, Ending, Run


class Threads:
    """At most `size` threads that take work, started when there is some; each is a daemon, which an
    interpreter that ends does not wait for."""

    def __init__(
        self,
        size: int,
        environment: Environment,
        begun: Callable[[Run], None],
        ended: Callable[[Run, Ending], None],
    ) -> None:
        self.size = size
        self._environment = environment
        self.started = 0  # runs that ever began
        self.hung = 0  # threads whose function is past its deadline
        self._begun = begun
        self._ended = ended
        self._waiting: deque[Run] = deque()
        self._changed = threading.Condition()
        self._threads = 0
        self._busy = 0
        self._given_up: set[Run] = set()
        self._stopping = False

    @property
    def free(self) -> int:
        """How many more runs would start at once; below 0: so many wait for a thread."""
        return self.size - self._busy - len(self._waiting)

    @property
    def unstarted(self) -> int:
        """How many runs wait for a thread."""
        return len(self._waiting)

    def start(self, runs: Iterable[Run]) -> None:
        """Takes runs; returns at once."""
        with self._changed:
            self._waiting.extend(runs)
            wanted = min(self.size, self._busy + len(self._waiting))
            for _ in range(wanted - self._threads):
                self._threads += 1
                threading.Thread(target=self._work, name="handler", daemon=True).start()
            self._changed.notify(len(self._waiting))

    def take_back(self, claimed_before: float) -> list[Run]:
        """Runs that were claimed before this time and have not begun."""
        late: list[Run] = []
        with self._changed:
            while self._waiting and self._waiting[0].claimed_at < claimed_before:
                late.append(self._waiting.popleft())
        return late

    def give_up(self, run: Run) -> None:
        """Its function may continue; its thread takes no more work, and another thread replaces
        it."""
        with self._changed:
            self._given_up.add(run)
            self.hung += 1
            self._busy -= 1
            self._threads -= 1
        self.start(())

    def stop(self) -> None:
        """Idle threads end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                run = self._waiting.popleft()
                self._busy += 1
                self.started += 1
            run.begin(time.monotonic())
            self._begun(run)
            if run.is_late(run.started_at):
                ending = RELEASED
            else:
                ending = copy_context().run(_run_to_its_end, run, self._environment)
            run.ended_at = time.monotonic()
            with self._changed:
                if run in self._given_up:
                    self._given_up.discard(run)
                    self.hung -= 1
                    return
                self._busy -= 1
            self._ended(run, ending)
            del run, ending  # or an idle thread would keep the payload and the result


def _run_to_its_end(run: Run, environment: Environment) -> Ending:
    """Drives `end_of`, which never waits here: what it would wait for is called instead."""
    current_run.set(run)
    running = end_of(run, _call, environment)
    try:
        running.send(None)
    except StopIteration as end:
        ending: Ending = end.value
        return ending
    except BaseException as error:  # noqa: BLE001 - or the thread would end, and the run never
        return unexpected(run, error)
    running.close()
    return unexpected(run, AssertionError("a plain function waited for the event loop"))


async def _call(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)
