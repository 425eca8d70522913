"""Watches how far back the oldest open transaction of the server holds the point from which changes
are read again: it makes every read longer. It must cost Postgres nothing while nobody holds it."""

import logging
from bisect import bisect_right
from operator import itemgetter

import asyncpg

from monoq.observe.catalogue import UNKNOWN
from monoq.observe.metrics import Metrics
from monoq.store.database import query

log = logging.getLogger(__name__)

ALARM_S = 30.0
# a transaction seems younger than it is by one part in this at most; for one that is open for a day
# 3,000 looks are kept
EXACT = 500


class HorizonAge:
    """How long ago the oldest transaction of a snapshot began, told from the snapshots alone."""

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
    """Sets the metric, and says once when it has become too old and once when that is over."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._age = HorizonAge()
        self._alarmed_at: float | None = None

    async def look(self, connection: asyncpg.Connection, snapshot: str, now: float) -> None:
        """At a snapshot just taken, at the monotonic time `now`."""
        age = self._age.of(snapshot, now)
        self._metrics.horizon_age.set(age)
        if self._alarmed_at is None and age >= ALARM_S:
            self._alarmed_at = now - age
            holder = await self._holder(connection, int(snapshot.split(":")[0]))
            log.warning(
                "a transaction that has been open for %.0f s makes reads of changes longer: %s",
                age,
                holder,
            )
        elif self._alarmed_at is not None and age < ALARM_S / 2:
            log.warning(
                "no old transaction makes reads of changes longer any more, after %.0f s",
                now - self._alarmed_at,
            )
            self._alarmed_at = None

    def lose_sight(self) -> None:
        """Postgres does not answer."""
        self._metrics.horizon_age.set(UNKNOWN)

    async def _holder(self, connection: asyncpg.Connection, xid: int) -> str:
        try:
            return await connection.fetchval(query("find_holder"), xid) or "whose is not known"
        except asyncpg.PostgresError as error:
            return f"whose is not known ({error})"
