"""A time limit for waits that begin thousands of times a second. `asyncio.timeout` sets a timer for
each, which costs 6 µs; here all waits share one. It must end a wait exactly as that one does."""

import asyncio
import time
from types import TracebackType


class SharedTimeout:
    """`with limit:` raises TimeoutError if its body still waits after `seconds`. A task may be
    inside once at a time. Make it in the event loop that uses it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        # When the time of a task is up, and how many cancellations it had before; the earliest
        # first, as all have the same time.
        self._inside: dict[asyncio.Task[object], tuple[float, int]] = {}
        self._expired: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = self._current_task()
        self._inside[task] = (time.monotonic() + self._seconds, task.cancelling())
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        task = self._current_task()
        _, cancelling = self._inside.pop(task)
        if task in self._expired:
            self._expired.discard(task)
            if task.uncancel() <= cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _look(self) -> None:
        """Cancels the tasks whose time is up, and sets the timer for the next one."""
        now = time.monotonic()
        self._timer = None
        for task, (end, _) in self._inside.items():
            if end > now:
                self._timer = self._loop.call_later(end - now, self._look)
                break
            if task not in self._expired:
                self._expired.add(task)
                task.cancel()

    def _current_task(self) -> "asyncio.Task[object]":
        # without the loop it would be looked for: a system call until Python 3.12
        task = asyncio.current_task(self._loop)
        assert task is not None
        return task
