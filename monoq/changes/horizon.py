"""Watches the oldest open transaction of the server: the longer it is open, the further back each
read of changes must start. It must cost Postgres nothing while no transaction stays open."""

import logging
from bisect import bisect_right
from operator import itemgetter

import asyncpg

from monoq.observe.catalogue import UNKNOWN
from monoq.observe.metrics import Metrics
from monoq.store.database import query

log = logging.getLogger(__name__)

ALARM_S = 30.0
# An age is too low by at most one part in this. For a transaction that is open for a day, 3,000
# snapshots are kept.
EXACT = 500


class HorizonAge:
    """How long ago the oldest transaction of a snapshot began, derived from the snapshots alone."""

    def __init__(self) -> None:
        # (all transactions below this one had begun, at this time), both rising
        self._looks: list[tuple[int, float]] = []

    def of(self, snapshot: str, now: float) -> float:
        """In seconds, too low by the time between two looks at most, or by one part in EXACT; 0
        while none is open."""
        oldest, end = map(int, snapshot.split(":")[:2])
        while self._looks and self._looks[-1][0] > end:  # a crash took ids back
            self._looks.pop()
        if not self._looks or now - self._looks[-1][1] >= (now - self._looks[0][1]) / EXACT:
            self._looks.append((end, now))
        del self._looks[: bisect_right(self._looks, oldest, key=itemgetter(0))]
        return now - self._looks[0][1] if self._looks else 0.0


class HorizonWatch:
    """Sets the metric; logs once when a transaction is too old, and once when it has ended."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._age = HorizonAge()
        self._alarmed_at: float | None = None

    async def look(self, connection: asyncpg.Connection, snapshot: str, now: float) -> None:
        """Takes the newest snapshot; `now` is its monotonic time."""
        age = self._age.of(snapshot, now)
        self._metrics.horizon_age.set(age)
        if self._alarmed_at is None and age >= ALARM_S:
            self._alarmed_at = now - age
            holder = await self._holder(connection, int(snapshot.split(":")[0]))
            log.warning(
                "long-running transaction slows reads of changes, open for %.0f s: %s",
                age,
                holder,
            )
        elif self._alarmed_at is not None and age < ALARM_S / 2:
            log.warning(
                "long-running transaction ended after %.0f s",
                now - self._alarmed_at,
            )
            self._alarmed_at = None

    def lose_sight(self) -> None:
        """Postgres does not answer."""
        self._metrics.horizon_age.set(UNKNOWN)

    async def _holder(self, connection: asyncpg.Connection, xid: int) -> str:
        try:
            return await connection.fetchval(query("find_holder"), xid) or "owner unknown"
        except asyncpg.PostgresError as error:
            return f"owner unknown ({error})"
