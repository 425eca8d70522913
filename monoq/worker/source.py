"""Where the ids of the next jobs come from, for one pool of a worker: the list in Redis, or
Postgres itself while that is no help."""

import asyncio
import logging
import time
from collections.abc import Sequence

from monoq.app.pool import Pool
from monoq.errors import QueueUnavailable
from monoq.observe.metrics import Metrics
from monoq.queue.keys import spare_key
from monoq.queue.ready import Popper, Ready
from monoq.upkeep.stager import Stager
from monoq.worker.picker import Picker

log = logging.getLogger(__name__)

REST_S = 0.25  # pause after Postgres had nothing
LOOKED_AT = 50  # jobs among which one of another tenant is looked for
IDLE_S = 1.0  # an empty list is believed for so long; then a lane looks into Postgres itself


class Source:
    """Ids are hints: each may be gone, taken or not ours to run."""

    def __init__(
        self,
        pool: Pool,
        takes: frozenset[tuple[bool, str]],
        *,
        redis_url: str,
        ready: Ready,
        picker: Picker,
        stager: Stager,
        metrics: Metrics,
    ) -> None:
        self._pool = pool
        self._takes = takes
        self._redis_url = redis_url
        self._ready = ready
        self._picker = picker
        self._stager = stager
        self._metrics = metrics
        self._listened_at = time.monotonic()

    def popper(self) -> Popper:
        """A connection for one lane."""
        return Popper(self._redis_url)

    async def next_ids(self, popper: Popper, most: int) -> Sequence[str]:
        """From the list; from Postgres itself when the list is out of reach, takes no ids, or has
        been empty for a while. Waits a moment for the first. Raises DatabaseUnavailable."""
        # each pop would wait out its time limit; the stager looks whether Redis is back
        if not self._ready.away:
            try:
                if ids := await self._listed(popper, self._name, most):
                    self._listened_at = time.monotonic()
                    return ids
                if not self._ready.refused and time.monotonic() - self._listened_at < IDLE_S:
                    return ()
            except QueueUnavailable as error:
                log.debug("claiming directly: %s", error)
                self._ready.away = True
        self._listened_at = time.monotonic()
        return await self._picked(most)

    async def next_ids_of_others(
        self, popper: Popper, most: int, full: Sequence[str]
    ) -> Sequence[str]:
        """The same while the tenants `full` hold all they may: for what is left. Some may be
        theirs all the same. Raises DatabaseUnavailable."""
        if not (self._ready.away or self._ready.refused):
            try:
                await popper.note_full(self._name, full)
                return await self._listed(popper, spare_key(self._name), most)
            except QueueUnavailable as error:
                log.debug("claiming directly: %s", error)
                self._ready.away = True
        await asyncio.sleep(REST_S)  # what is found may all be of those that are full
        return await self._picked(max(most, LOOKED_AT))

    @property
    def _name(self) -> str:
        return self._ready.lists.listed(self._pool, self._takes).name

    async def _listed(self, popper: Popper, name: str, most: int) -> Sequence[str]:
        ids, left = await popper.pop(name, most)
        self._stager.list_is(name, left)
        return ids if ids or self._ready.refused else await popper.wait_for_one(name)

    async def _picked(self, most: int) -> Sequence[str]:
        ids = await self._picker.pick(most)
        self._metrics.direct.inc(len(ids))
        if not ids:
            await asyncio.sleep(REST_S)
        return ids
