"""Removes jobs that ended long ago, and forgets idempotency keys. It must leave PostgreSQL to those
who work: it takes a small share of the time."""

import logging
import time
from typing import NamedTuple
from uuid import UUID

import asyncpg

from monoq.observe.metrics import Metrics
from monoq.process import failpoint
from monoq.store.database import Database
from monoq.store.retention import FIRST, Kept, Removal, RetentionStore
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

log = logging.getLogger(__name__)

# How often the mark moves below which all viewers have the changes: several reads of the tail.
TOLD_S = 5.0
# Passes begin this often, as a share of the shortest time for which something is kept: so long may
# it stay beyond its time. Each scans all old jobs that are still kept.
PASS_SHARE, SHORTEST_PASS_S, LONGEST_PASS_S = 0.01, 1.0, 3600.0
SHORTEST_LOOK_S, LONGEST_LOOK_S = 1.0, 10.0
# Of the time of one connection, for as long as there is something to remove; more where that does
# not keep up with what ends, as judged each minute.
SHARE, MAX_SHARE = 0.1, 0.5
JUDGE_S = 60.0
MIN_BATCH, FIRST_BATCH, MAX_BATCH = 50, 500, 5000  # jobs in one transaction
FAST_S, SLOW_S = 0.05, 0.2  # a batch: others may wait for the places that it takes in memory
KEYS_BATCH = 2000


class BatchSize:
    """How many jobs one transaction examines, so that none takes long."""

    def __init__(self) -> None:
        self.limit = FIRST_BATCH

    def took(self, seconds: float) -> None:
        """Adapts it to how long a batch took."""
        if seconds > SLOW_S:
            self.shrink()
        elif seconds < FAST_S:
            self.limit = min(self.limit * 2, MAX_BATCH)

    def shrink(self) -> None:
        """A batch took too long."""
        self.limit = max(self.limit // 2, MIN_BATCH)


class Share:
    """Of the time of one connection that removing takes. It grows as long as what is due becomes
    later and later: then more ends than is removed. A backlog that shrinks is no reason."""

    def __init__(self, pass_s: float) -> None:
        self.now = SHARE
        self._pass_s = pass_s
        self._judged_at: float | None = None
        self._overdue_s = 0.0

    def judge(self, overdue_s: float, at: float) -> None:
        """What was removed at `at` (seconds, of any clock) should have been gone this long."""
        if self._judged_at is not None and at - self._judged_at < JUDGE_S:
            return
        # between two passes what is due waits for the next one
        is_late = self._judged_at is not None and overdue_s > 2 * self._pass_s
        grows = is_late and overdue_s >= self._overdue_s
        self.now = min(2 * self.now, MAX_SHARE) if grows else max(self.now / 2, SHARE)
        self._judged_at, self._overdue_s = at, overdue_s


class Batch(NamedTuple):
    """What a transaction of a pass came to. `ended`: it was the last one of its pass."""

    removal: Removal
    began: bool
    ended: bool


class Retention(UpkeepLoop):
    """Runs in every process; one at a time does the work, a batch a transaction. Where a pass
    stands is stored with each batch, so the next process continues there."""

    name = "retention"

    def __init__(
        self,
        *,
        database: Database,
        kept: Kept,
        keys_kept_s: float,
        metrics: Metrics,
        troubles: Troubles,
    ) -> None:
        super().__init__(troubles)
        self._database = database
        self._kept = kept
        self._keys_kept_s = keys_kept_s
        self._metrics = metrics
        shortest_s = min(*kept, keys_kept_s)
        self._pass_s = min(max(PASS_SHARE * shortest_s, SHORTEST_PASS_S), LONGEST_PASS_S)
        self._idle_s = min(max(self._pass_s, SHORTEST_LOOK_S), LONGEST_LOOK_S)
        self._size = BatchSize()
        self._share = Share(self._pass_s)
        self._rest_s = 0.0

    async def look(self) -> None:
        """Removes a batch, if it is time and no other process does."""
        began = time.monotonic()
        self._rest_s = self._idle_s
        batch = await self._database.in_transaction(self._remove)
        if batch is None:
            return
        failpoint.hit("after_removal")
        took_s = time.monotonic() - began
        self._metrics.removed.inc(batch.removal.removed)
        self._size.took(took_s)
        if not batch.ended:
            if batch.removal.due:
                self._share.judge(batch.removal.overdue_s, began)
            self._rest_s = took_s * (1 / self._share.now - 1)
        if batch.began:
            await self._forget_keys()

    def failed(self, error: Exception) -> None:
        """It may have been too much for one statement: large payloads are removed in many parts."""
        self._size.shrink()

    async def rest(self) -> None:
        await self.pause(self._rest_s)

    async def _remove(self, connection: asyncpg.Connection) -> Batch | None:
        store = RetentionStore(connection)
        place = await store.lock(TOLD_S)
        if place is None or not place.is_due:
            return None
        failpoint.hit("before_removal")
        removal = await store.remove_jobs(place.reached, self._kept, self._size.limit, place.told)
        failpoint.hit("within_removal")
        ended = removal.looked < self._size.limit
        reached: UUID = FIRST if ended or removal.reached is None else removal.reached
        await store.save(reached, self._pass_s if ended else 0.0)
        return Batch(removal, began=place.reached == FIRST, ended=ended)

    async def _forget_keys(self) -> None:
        store = RetentionStore(self._database)
        while not self.stopping.is_set():
            began = time.monotonic()
            forgotten = await store.forget_keys(self._keys_kept_s, KEYS_BATCH)
            if forgotten < KEYS_BATCH:
                return
            await self.pause((time.monotonic() - began) * (1 / SHARE - 1))
