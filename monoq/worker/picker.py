"""Picks jobs in Postgres while the list in Redis is no help. It must never be the usual way: all
workers would want the same rows."""

import asyncio
import random
import time

from monoq.queue.ready import split
from monoq.store.due import Due

SPREAD = 4  # chooses among this many times what is wanted, so that workers seldom want the same
# older choices are made again: others have taken those jobs, or the order has changed
FRESH_S = 0.3


class Picker:
    """The lanes of a pool share what one look found."""

    def __init__(self, due: Due) -> None:
        self._due = due
        self._ids: list[str] = []
        self._looked_at = 0.0
        self._looking = asyncio.Lock()
        self._after = ""

    async def pick(self, most: int) -> list[str]:
        """Ids of up to `most` due jobs; none: there are none. Raises DatabaseUnavailable."""
        async with self._looking:
            if not self._ids or time.monotonic() - self._looked_at > FRESH_S:
                self._looked_at = time.monotonic()
                found = await self._due.select(SPREAD * most, after=self._after)
                self._after = found.last_tenant or ""
                self._ids = split(found.ids)
                # The fairest are chosen, but in no order: a claim skips rows that another worker is
                # claiming.
                random.shuffle(self._ids)
            picked, self._ids = self._ids[:most], self._ids[most:]
        return picked
