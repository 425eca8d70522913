"""The runway: the Redis LIST `job_queue` of the ids to run next. A hint, never the truth: it may vanish, repeat or lie."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from redis.exceptions import ResponseError

from monoq.errors import QueueUnavailable
from monoq.queue.connection import UNAVAILABLE, connect
from monoq.queue.keys import QUEUE

BLOCK_S = 0.2  # how long the server holds an empty pop; a stop waits for it, because cancelling a pop loses what it popped
MIN_CAPACITY = 1000

_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


class Ready:
    """The list, and how long it may be (`capacity`: follows the slots of the live workers; kept current by the stager)."""

    def __init__(self, url: str) -> None:
        self.capacity = MIN_CAPACITY
        self._redis = connect(url)
        self._push = self._redis.register_script((Path(__file__).parent / "push_ready.lua").read_text())

    @property
    def low_water(self) -> int:
        """Below this length the list wants topping up."""
        return self.capacity // 2

    async def push(self, ids: Iterable[UUID]) -> int:
        """Appends ids as far as there is room; returns how many went in. Raises QueueUnavailable."""
        try:
            return int(await self._push([QUEUE], [self.capacity, *map(str, ids)]))
        except ResponseError as error:
            await self._heal(error)
            raise QueueUnavailable(str(error)) from error
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error)) from error

    async def length(self) -> int:
        """How many ids wait in the list. Raises QueueUnavailable."""
        try:
            return int(await self._redis.llen(QUEUE))
        except ResponseError as error:
            await self._heal(error)
            return 0
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error)) from error

    async def listed(self) -> list[str]:
        """The ids in the list, junk left out. Raises QueueUnavailable."""
        try:
            return well_formed(await self._redis.lrange(QUEUE, 0, 2 * self.capacity))
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error)) from error

    async def ping(self) -> None:
        """Raises QueueUnavailable unless Redis answers."""
        try:
            await self._redis.ping()
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()

    async def _heal(self, error: ResponseError) -> None:
        """A key of another type in our place is not ours to keep: the list is a cache, so it is dropped and filled again."""
        if "WRONGTYPE" in str(error):
            await self._redis.delete(QUEUE)


class Popper:
    """Takes ids off the list, on a connection of its own: one per fetching lane, never shared, never cancelled."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url, timeout_s=BLOCK_S + 1.0, connections=1)

    async def pop(self, most: int) -> tuple[list[str], int]:
        """Up to `most` ids at once, junk dropped, and how many are left in the list; never waits. Raises QueueUnavailable."""
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.lpop(QUEUE, most)
            pipeline.llen(QUEUE)
            popped, left = await pipeline.execute()
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error)) from error
        return well_formed(popped or ()), left

    async def wait_for_one(self) -> list[str]:
        """Waits up to BLOCK_S for an id, and pops it. Raises QueueUnavailable."""
        try:
            popped = await self._redis.blpop([QUEUE], timeout=BLOCK_S)
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error)) from error
        return well_formed(popped[1:]) if popped else []

    async def close(self) -> None:
        """Closes the connection."""
        await self._redis.aclose()


def well_formed(raw: Iterable[Any]) -> list[str]:
    """Those of `raw` that are UUIDs, each once; anyone can push anything into the list."""
    return list(dict.fromkeys(item.decode() for item in raw if len(item) == 36 and _UUID(item)))
