"""Tenants by the wait of their oldest job, from a scan of all tenants that is repeated while
requests come. No request must start such a scan: its duration grows with the number of tenants."""

import asyncio
import heapq
import logging
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice

import asyncpg

from monoq.errors import DatabaseUnavailable
from monoq.process.service import Service
from monoq.store.counts import CountStore

log = logging.getLogger(__name__)

PART = 1000  # tenants in one statement
EVERY_S, SHARE = (
    2.0,
    10,
)  # seconds between scans; at most one part in so many of the time is spent on them
WANTED_S = 60.0  # scans are repeated for this long after a request
FIRST_WITHIN_S = 4.0
RETRY_S = 1.0

Place = tuple[float, str]  # since when its oldest job is due, in seconds since 1970; the tenant


class OldestTenants(Service):
    """Remembers since when the oldest waiting job of each tenant has been due."""

    name = "oldest tenants"

    def __init__(self, counts: CountStore) -> None:
        super().__init__()
        self._counts = counts
        self._parts: list[list[Place]] = []  # each in order; by name from one to the next
        self._asked = asyncio.Event()
        self._asked_at = 0.0
        self._walked_at: float | None = None
        self._walked = asyncio.Event()

    async def page(
        self, prefix: str, after: Place | None, backwards: bool, limit: int
    ) -> list[Place]:
        """The next tenants with due jobs behind `after`; `backwards`: those that wait longest last.

        As of the last scan. Raises DatabaseUnavailable if the first takes too long.
        """
        self._asked_at = time.monotonic()
        self._asked.set()
        if self._walked_at is None or self._asked_at - self._walked_at > WANTED_S:
            self._walked.clear()
            try:
                async with asyncio.timeout(FIRST_WITHIN_S):
                    await self._walked.wait()
            except TimeoutError:
                raise DatabaseUnavailable("the tenants are still being scanned") from None
        streams = (_behind(part, after, backwards) for part in self._parts)
        merged = heapq.merge(*streams, reverse=backwards)
        found = (place for place in merged if place[1].startswith(prefix))
        return list(islice(found, limit))

    def stop(self) -> None:
        super().stop()
        self._asked.set()

    async def run(self) -> None:
        while not self.stopping.is_set():
            await self._asked.wait()
            began = time.monotonic()
            try:
                await self._walk()
            except (DatabaseUnavailable, asyncpg.PostgresError) as error:
                log.debug("the oldest jobs of tenants were not found: %s", error)
                await self.pause(RETRY_S)
                continue
            self._walked_at = time.monotonic()
            self._walked.set()
            await self.pause(max(EVERY_S, SHARE * (self._walked_at - began)))
            if time.monotonic() - self._asked_at > WANTED_S and not self.stopping.is_set():
                self._asked.clear()

    async def _walk(self) -> None:
        parts, after = [], ""
        while names := await self._counts.waiting_tenants(after, PART):
            oldest = await self._counts.oldest_waiting(*names)
            now = time.time()
            parts.append(sorted((now - waited_s, name) for name, waited_s in oldest.items()))
            after = names[-1]
        self._parts = parts


def _behind(part: list[Place], after: Place | None, backwards: bool) -> Iterator[Place]:
    """What follows in this order; it costs what is taken."""
    if backwards:
        end = len(part) if after is None else bisect_left(part, after)
        return (part[place] for place in range(end - 1, -1, -1))
    return islice(part, 0 if after is None else bisect_right(part, after), None)
