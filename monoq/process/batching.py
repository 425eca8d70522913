"""Batches of what arrives one by one: wait for something, take what has gathered, flush it. It must
not lose an item that fits: what was added before the close is flushed before `run` returns."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Batches(Generic[Item]):
    """A queue whose items are flushed in batches, by one or more lanes at once.

    `take` removes the next batch from the queue, which is not empty; it may return fewer items, or
    none. `gather`, if given, is awaited before that, so that more items can arrive; what it finds
    taken by another lane is no concern of it. Beyond `keep` items the oldest are dropped.
    """

    def __init__(
        self,
        flush: Callable[[list[Item]], Awaitable[None]],
        take: Callable[[deque[Item]], list[Item]],
        *,
        lanes: int = 1,
        gather: Callable[[], Awaitable[None]] | None = None,
        keep: int | None = None,
    ) -> None:
        self.waiting: deque[Item] = deque(maxlen=keep)
        self._flush = flush
        self._take = take
        self._lanes = lanes
        self._gather = gather
        self._arrived = asyncio.Event()
        self._is_closed = False

    def add(self, items: Iterable[Item]) -> None:
        """Takes items; returns at once."""
        self.waiting.extend(items)
        self._arrived.set()

    def close(self) -> None:
        """Lets `run` return once nothing waits any more. May be called twice, or first."""
        self._is_closed = True
        self._arrived.set()

    async def run(self) -> None:
        """Flushes until `close`. An error of `flush` ends it: a flush deals with its own."""
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._lanes):
                lanes.create_task(self._run_lane())

    async def _run_lane(self) -> None:
        while self.waiting or not self._is_closed:
            if not self.waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            if self._gather is not None and not self._is_closed:
                await self._gather()
            if self.waiting and (batch := self._take(self.waiting)):
                await self._flush(batch)


class Pace:
    """Lets the first through at once, and then one each `seconds`: a lone item does not wait for
    company, and a stream of single items becomes a stream of batches."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def wait(self) -> None:
        """Returns when the next may go."""
        now = asyncio.get_running_loop().time()
        if now < self._next:
            await asyncio.sleep(self._next - now)
            now = self._next
        self._next = now + self._seconds


def up_to(count: int) -> Callable[[deque[Item]], list[Item]]:
    """Takes `count` items at most."""

    def take(waiting: deque[Item]) -> list[Item]:
        if len(waiting) > count:
            return [waiting.popleft() for _ in range(count)]
        batch = list(waiting)
        waiting.clear()
        return batch

    return take
