"""Limits the bytes of request bodies that are held, and processed, at once. It must know no route,
and must not delay small requests."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from monoq.api.problems import Problem

PATIENCE_S = 8.0  # for room and for a turn together: a proxy waits 10 s for us to read on
PRESSING_S = 1.0  # while others wait, a client that has sent less than a step for so long is let go
FREE_BYTES = 16 * 1024  # of each body, beyond which it may have to wait


class Body:
    """What has come of one request's body. It counts as held until it is let go."""

    def __init__(self, room: "Room") -> None:
        self._room = room
        self._chunks: list[bytes] = []
        self.size = 0
        self.waited_s = 0.0
        self.limit: asyncio.Timeout | None = None  # while a client is expected to send
        self.expected_since = 0.0

    def add(self, chunk: bytes) -> None:
        """More of it has come."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        self._room.hold(len(chunk))

    async def room_for_more(self) -> None:
        """Returns when more may come; raises Problem 503 if that takes too long."""
        if self.size > FREE_BYTES and not self._room.has_room_for(self):
            await self._room.wait(self)

    def take(self) -> bytes:
        """The whole body. From here on the caller has it, though it still counts."""
        whole = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        return whole

    def let_go(self) -> None:
        """It no longer counts."""
        self._chunks.clear()
        self._room.leave(self)
        self.size = 0


class Room:
    """Room for `most` bytes of bodies that have come, but are not worked on yet. Beyond it, only
    only the largest continues: so one of them completes, however many there are."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._bodies: dict[Body, None] = {}
        self._waiting: dict[Body, asyncio.Future[None]] = {}

    @contextmanager
    def body(self) -> Iterator[Body]:
        """A body that is about to come; at the end it is let go."""
        body = Body(self)
        self._bodies[body] = None
        try:
            yield body
        finally:
            body.let_go()

    def hold(self, size: int) -> None:
        """So many bytes more are held."""
        self._held += size

    def leave(self, body: Body) -> None:
        """A body is no longer held; others may continue."""
        if body in self._bodies:
            del self._bodies[body]
            self._held -= body.size
            for other, woken in self._waiting.items():
                if not woken.done() and self.has_room_for(other):
                    woken.set_result(None)

    def has_room_for(self, body: Body) -> bool:
        """Whether more of it may come."""
        return self._held < self._most or body.size >= max(other.size for other in self._bodies)

    async def wait(self, body: Body) -> None:
        """Returns when more of this body may come; raises Problem 503 if that takes too long."""
        began = time.monotonic()
        while not self.has_room_for(body):
            left = PATIENCE_S - body.waited_s - (time.monotonic() - began)
            if left <= 0:
                raise busy()
            self._waiting[body] = woken = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(min(left, PRESSING_S)):
                    await woken
            except TimeoutError:
                self._let_a_slow_one_go()
            finally:
                del self._waiting[body]
        body.waited_s += time.monotonic() - began

    def _let_a_slow_one_go(self) -> None:
        """The largest whose client keeps us waiting makes room for those whose clients do not."""
        long_ago = time.monotonic() - PRESSING_S
        slow = [body for body in self._bodies if body.limit and body.expected_since < long_ago]
        if slow and (limit := max(slow, key=lambda body: body.size).limit):
            limit.reschedule(0)


class Turns:
    """At most `most` bytes of bodies are processed at once, in the order of their arrival."""

    def __init__(self, most: int) -> None:
        self._most = self._free = most
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def turn(self, body: Body) -> AsyncIterator[None]:
        """While it is this body's turn; raises Problem 503 if it does not come soon."""
        size = min(body.size, self._most)
        if self._queue or size > self._free:
            await self._wait(size, PATIENCE_S - body.waited_s)
        else:
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._call_next()

    async def _wait(self, size: int, patience_s: float) -> None:
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((size, called))
        is_here = False
        try:
            async with asyncio.timeout(patience_s):
                await called
            is_here = True
        except TimeoutError:
            raise busy() from None
        finally:
            if not is_here:
                if called.done() and not called.cancelled():  # called at the moment of leaving
                    self._free += size
                self._call_next()

    def _call_next(self) -> None:
        while self._queue and (self._queue[0][1].done() or self._queue[0][0] <= self._free):
            size, called = self._queue.popleft()
            if not called.done():
                self._free -= size
                called.set_result(None)


def busy() -> Problem:
    """The answer to a request that would wait too long."""
    return Problem(503, "too many large requests at once", headers={"Retry-After": "2"})
