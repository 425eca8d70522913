"""The runway: the Redis LIST `job_queue` of the ids to run next. A hint, never the truth: it may vanish, repeat or lie."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import ResponseError

from monoq.errors import QueueUnavailable
from monoq.queue.connection import UNAVAILABLE, close, connect
from monoq.queue.keys import QUEUE, TAKEN

BLOCK_S = 0.2  # how long the server holds an empty pop; a stop waits for it, because cancelling a pop loses what it popped
MIN_CAPACITY = 1000
OVERFULL = 3  # a list this many times its capacity was not filled by us, or its jobs take longer than those before them

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_IDS = re.compile(f"(?:{_UUID},)*+{_UUID}").fullmatch
_ID = re.compile(_UUID).fullmatch


class Ready:
    """The list, and how long it may be (`capacity`: follows the slots of the live workers; kept current by the stager)."""

    def __init__(self, url: str) -> None:
        self.capacity = MIN_CAPACITY
        self.away = False  # whether the last call found no Redis; the stager makes one several times a second
        self.refused = False  # whether the last push failed: then the list is no help, though popping from it may work
        self._redis = connect(url)
        self._look = _script(self._redis, "look_ready")
        self._push = _script(self._redis, "push_ready")
        self._list = _script(self._redis, "list_ready")

    @property
    def low_water(self) -> int:
        """Below this length the list wants topping up. The lower, the fewer looks for what comes next, each through all tenants."""
        return self.capacity // 8

    async def push(self, ids: str) -> int:
        """Appends ids ("id,id,…") as far as there is room; returns how many went in. Raises QueueUnavailable."""
        self.refused = True
        appended = int(await self._call(self._push([QUEUE], [self.capacity, ids])))
        self.refused = False
        return appended

    async def look(self) -> tuple[int, int]:
        """How many entries the list has, and how many ids were ever taken off it. Raises QueueUnavailable."""
        length, taken = await self._call(self._look([QUEUE, TAKEN]))
        return int(length), int(taken)

    async def shorten(self) -> None:
        """Cuts the end off a list that is far too long: what waits there is selected again. Raises QueueUnavailable."""
        await self._call(self._redis.ltrim(QUEUE, 0, self.capacity - 1))

    async def listed(self) -> str:
        """The ids in the list, "id,id,…". Raises QueueUnavailable."""
        return well_formed(await self._call(self._list([QUEUE], [OVERFULL * self.capacity])))

    async def ping(self) -> None:
        """Raises QueueUnavailable unless Redis answers."""
        await self._call(self._redis.ping())

    async def close(self) -> None:
        """Closes the connections."""
        await close(self._redis)

    async def _call(self, call: Any) -> Any:
        try:
            answer = await call
        except ResponseError as error:
            self.away = False
            if "WRONGTYPE" in str(error):  # not ours to keep: the list is a cache, so it is dropped and filled again
                await self._call(self._redis.unlink(QUEUE))
            raise QueueUnavailable(str(error)) from error
        except UNAVAILABLE as error:
            self.away = True
            raise QueueUnavailable(str(error) or type(error).__name__) from error
        self.away = False
        return answer


class Popper:
    """Takes ids off the list, on a connection of its own: one per fetching lane, never shared, never cancelled."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url, timeout_s=BLOCK_S + 0.8, connections=1)
        self._pop = _script(self._redis, "pop_ready")

    async def pop(self, most: int) -> tuple[list[str], int]:
        """Up to `most` ids at once, and how many entries are left; never waits. Raises QueueUnavailable."""
        try:
            left, popped = await self._pop([QUEUE, TAKEN], [most])
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error)) from error
        return split(well_formed(popped)), int(left)

    async def wait_for_one(self) -> list[str]:
        """Waits up to BLOCK_S for an id, and pops it. Raises QueueUnavailable."""
        try:
            popped = await self._redis.blpop([QUEUE], timeout=BLOCK_S)
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error)) from error
        return split(well_formed(popped[1])) if popped else []

    async def close(self) -> None:
        """Closes the connection."""
        await close(self._redis)


def join(ids: Iterable[UUID]) -> str:
    """Ids as one text, "id,id,…", as they travel: thousands of strings cost the client library more than the rest of a batch."""
    return ",".join(map(str, ids))


def split(ids: str) -> list[str]:
    """The ids of such a text, each once."""
    return list(dict.fromkeys(ids.split(","))) if ids else []


def well_formed(raw: Any) -> str:
    """Those ids of "id,id,…" that are UUIDs; anyone can push anything into the list."""
    ids = raw.decode("utf-8", "replace")
    return ids if not ids or _IDS(ids) else ",".join(filter(_ID, ids.split(",")))


def _script(redis: "Redis", name: str) -> AsyncScript:
    return redis.register_script((Path(__file__).parent / f"{name}.lua").read_text())
