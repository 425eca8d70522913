"""Handlers that cannot be stopped: counted, and bounded. It must never let a worker continue that
has nothing left to run jobs with."""

import asyncio
import logging

from monoq.worker.handler_loop import HandlerLoop
from monoq.worker.threads import Threads

log = logging.getLogger(__name__)

MAX_STUBBORN = 100  # async handlers that ignore their cancellation, at most
# times the threads: plain functions that are past their deadline and do not return, at most
MAX_HUNG = 2
MAX_STUCK_LOOPS = 4  # event loops that were given up and still do not turn, at most


class Stuck:
    """Threads and event loops that were replaced, and coroutines that ignore their cancellation.

    `exhausted` is set at a bound: then this process must be replaced, and `exhausted_by` says why.
    """

    def __init__(self, threads: Threads) -> None:
        self.exhausted = asyncio.Event()
        self.exhausted_by = ""
        self.stubborn = 0  # async handlers that ignored their cancellation
        self._threads = threads
        self._loops: list[HandlerLoop] = []

    @property
    def count(self) -> int:
        """All that cannot be stopped now."""
        return self._threads.hung + self._alive() + self.stubborn

    def give_up(self, loop: HandlerLoop) -> None:
        """Its thread may continue; another loop replaces it."""
        self._loops.append(loop)

    def look(self) -> None:
        """Compares with the bounds."""
        bounds = (
            (
                self._threads.hung,
                MAX_HUNG * self._threads.size,
                "threads whose function does not return",
            ),
            (self._alive(), MAX_STUCK_LOOPS, "event loops that are stuck"),
            (self.stubborn, MAX_STUBBORN, "async handlers that ignore their cancellation"),
        )
        for count, bound, what in bounds:
            if count >= bound and not self.exhausted_by:
                self.exhausted_by = f"{count} {what}: this process must be replaced"
                log.critical("%s", self.exhausted_by)
                self.exhausted.set()

    def _alive(self) -> int:
        self._loops = [loop for loop in self._loops if loop.alive]
        return len(self._loops)
