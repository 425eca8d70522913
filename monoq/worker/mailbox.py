"""Hands things from any thread to an event loop, many at a time: to wake a loop costs more than
most of what is handed over."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """`put` may be called by any thread; `take` is called in the loop with all that has come."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[list[T]], None]) -> None:
        self._loop = loop
        self._take = take
        self._items: deque[T] = deque()
        self._woken = False

    def put(self, item: T) -> None:
        """Returns at once."""
        self._items.append(item)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # Before the items are taken: an item that arrives after this wakes the loop again.
        self._woken = False
        items: list[T] = []
        while self._items:
            items.append(self._items.popleft())
        if items:
            self._take(items)
