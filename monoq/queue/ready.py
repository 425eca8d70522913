"""The lists of ids to run next. Each is a hint, never the truth: it may vanish, repeat or lie."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import ResponseError

from monoq.errors import QueueUnavailable
from monoq.queue.connection import UNAVAILABLE, close, connect
from monoq.queue.keys import (
    QUEUE,
    backlog_key,
    fronted_key,
    full_key,
    keys_of,
    look_key,
    popped_key,
    pushed_key,
    spare_key,
    taken_key,
)
from monoq.queue.lists import JobLists

# how long the server holds an empty pop; a stop waits for it, because cancelling a pop loses what
# it popped
BLOCK_S = 0.2
MIN_CAPACITY = 200
LOOK_MS = 500  # how long a look may take before another process looks too

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_IDS = re.compile(f"(?:{_UUID},)*+{_UUID}").fullmatch
_ID = re.compile(_UUID).fullmatch


class Placing(StrEnum):
    """Where what a look found goes."""

    INSTEAD = "instead"  # of all that stands there
    BEHIND = "behind"
    IN_FRONT = "in front"


class Look(NamedTuple):
    """`go`: whether it is this process's turn; `length` of the list; `taken`: how many ids were
    ever taken off it; `full`: the tenants that hold all they may of some worker."""

    go: bool
    length: int
    taken: int
    full: frozenset[str]


class Ready:
    """The lists, and how long each may be (kept current by the stager; it follows the pace at which
    ids are taken)."""

    def __init__(self, url: str) -> None:
        self.lists = JobLists()
        # whether the last call found no Redis; the stager makes one several times a second
        self.away = False
        # whether the last write failed: then the lists are no help, though popping from them may
        # work
        self.refused = False
        self._capacity: dict[str, int] = {}
        self._redis = connect(url)
        self._look = _script(self._redis, "look_ready")
        self._place = _script(self._redis, "place_ready")
        self._push = _script(self._redis, "push_ready")

    def capacity(self, name: str) -> int:
        """How many ids a list may hold."""
        return self._capacity.get(name, MIN_CAPACITY)

    def set_capacity(self, name: str, capacity: int) -> None:
        """Says how many ids a list may hold."""
        self._capacity[name] = capacity

    def low_water(self, name: str) -> int:
        """Below this length a look for what is next is due at once."""
        return self.capacity(name) // 4

    async def push(self, name: str, ids: str, newcomers: str = "") -> int:
        """Takes ids ("id,id,…") of jobs just stored, as far as nobody else waits for the room.

        Those of `newcomers`, of tenants that had nothing here a moment ago, go to the front, a
        bounded number between two looks; and to the list for others, while one tenant holds all it
        may. Returns how many went in. Raises QueueUnavailable.
        """
        capacity = self.capacity(name)
        spare = spare_key(name)
        keys = [name, backlog_key(name), fronted_key(name), spare, full_key(name)]
        keys += [look_key(name), pushed_key(name)]
        return int(
            await self._write(name, self._push(keys, [capacity, ids, newcomers, capacity // 2]))
        )

    async def begin_look(self, name: str) -> "Look":
        """Asks whether this process is to look now for what is next. Raises QueueUnavailable."""
        keys = [name, taken_key(name), look_key(name), full_key(name), pushed_key(name)]
        go, length, taken, full = await self._call(
            name, self._look(keys, [self.low_water(name), LOOK_MS])
        )
        tenants = frozenset(tenant.decode("utf-8", "replace") for tenant in full)
        return Look(bool(go), int(length), int(taken), tenants)

    async def place(self, name: str, ids: str, how: "Placing", *, more: bool, rest_s: float) -> int:
        """Ends a look: puts `ids` ("id,id,…") on a list. `more`: whether others wait; for `rest_s`
        seconds no look is due, unless the list runs short. Returns its length. Raises
        QueueUnavailable."""
        keys = [name, look_key(name), backlog_key(name), fronted_key(name), popped_key(name)]
        keys.append(pushed_key(name))
        arguments = [ids, how.value, "1" if more else "0", int(1000 * rest_s)]
        return int(await self._write(name, self._place(keys, arguments)))

    async def length(self) -> int:
        """How many entries all lists have. Raises QueueUnavailable."""
        names = [one.name for one in self.lists.all] or [QUEUE]  # no worker is no reason not to ask
        return sum([int(await self._call(name, self._redis.llen(name))) for name in names])

    async def ping(self) -> None:
        """Raises QueueUnavailable unless Redis answers."""
        await self._call("", self._redis.ping())

    async def close(self) -> None:
        """Closes the connections."""
        await close(self._redis)

    async def _write(self, name: str, call: Any) -> Any:
        try:
            answer = await self._call(name, call)
        except QueueUnavailable:
            # Not before the answer: a lane that looks while a write is under way would leave the
            # lists alone, and rest for a quarter of a second.
            self.refused = True
            raise
        self.refused = False
        return answer

    async def _call(self, name: str, call: Any) -> Any:
        try:
            answer = await call
        except ResponseError as error:
            self.away = False
            # not ours to keep: a list is a cache, so it is dropped and filled again
            if "WRONGTYPE" in str(error):
                await self._call(name, self._redis.unlink(*keys_of(name)))
            raise QueueUnavailable(str(error)) from error
        except UNAVAILABLE as error:
            self.away = True
            raise QueueUnavailable(str(error) or type(error).__name__) from error
        self.away = False
        return answer


class Popper:
    """Takes ids off a list, on a connection of its own: one per fetching lane, never shared, never
    cancelled."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url, timeout_s=BLOCK_S + 0.8, connections=1)
        self._pop = _script(self._redis, "pop_ready")
        self._note_full = _script(self._redis, "note_full")

    async def pop(self, name: str, most: int) -> tuple[list[str], int]:
        """Up to `most` ids at once, and how many entries are left; never waits. Raises
        QueueUnavailable."""
        try:
            keys = [name, taken_key(name), backlog_key(name), popped_key(name)]
            left, popped = await self._pop(keys, [most])
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error)) from error
        return split(well_formed(popped)), int(left)

    async def note_full(self, name: str, tenants: Sequence[str]) -> None:
        """Says for a moment which tenants hold all they may: then ids of others are put on the
        list that is spare. Raises QueueUnavailable."""
        try:
            await self._note_full([full_key(name)], tenants)
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error)) from error

    async def wait_for_one(self, name: str) -> list[str]:
        """Waits up to BLOCK_S for an id, and pops it. Raises QueueUnavailable."""
        try:
            popped = await self._redis.blpop([name], timeout=BLOCK_S)
        except UNAVAILABLE as error:
            raise QueueUnavailable(str(error)) from error
        return split(well_formed(popped[1])) if popped else []

    async def close(self) -> None:
        """Closes the connection."""
        await close(self._redis)


def join(ids: Iterable[UUID]) -> str:
    """Ids as one text, "id,id,…", as they travel: thousands of strings cost the client library more
    than the rest of a batch."""
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
