"""Watches what keeps VACUUM from removing dead rows. Meanwhile each change of a job leaves a row
that every later scan of the small tables must pass. It must only report."""

import logging
import time
from typing import NamedTuple

import asyncpg

from monoq.changes.horizon import HorizonAge
from monoq.errors import DatabaseUnavailable
from monoq.observe.metrics import Metrics
from monoq.observe.outage import Outage
from monoq.process.service import Service
from monoq.store.vacuum import KINDS, Holder, VacuumStore

log = logging.getLogger(__name__)

PERIOD_S = 5.0
# with a look before it and one after it, it is reported within 25 s of the snapshot
ALARM_S = 15.0


class Held(NamedTuple):
    """What holds VACUUM back, of which kind, and for how many seconds."""

    kind: str
    holder: str
    age_s: float

    def __str__(self) -> str:
        return f"VACUUM is held back for {self.age_s:.0f} s by {KINDS[self.kind]}: {self.holder}"


class VacuumWatch(Service):
    """An age counts from the last look at which the holder stood at the newest transaction: a
    snapshot is harmless while nothing is written. What was there before the first look is as old
    as that."""

    name = "vacuum watch"

    def __init__(self, store: VacuumStore, metrics: Metrics) -> None:
        super().__init__()
        self._store = store
        self._metrics = metrics
        self._ages = {kind: HorizonAge() for kind in KINDS}
        self._told: dict[str, Held] = {}

    @property
    def held(self) -> Held | None:
        """What has held it back longest; None: nothing for ALARM_S."""
        return max(self._told.values(), key=lambda held: held.age_s, default=None)

    async def run(self) -> None:
        outage = Outage(log, "looking for what holds VACUUM back")
        while not self.stopping.is_set():
            try:
                await self.look(time.monotonic())
                outage.over()
            except (DatabaseUnavailable, asyncpg.PostgresError) as error:
                outage.failed(error)
                self._metrics.forget_vacuum()
            await self.pause(PERIOD_S)

    async def look(self, now: float) -> None:
        """Takes a look; `now` is its monotonic time."""
        holders = await self._store.find_holders()
        by_kind = {holder.kind: holder for holder in holders.oldest}
        for kind, age in self._ages.items():
            holder = by_kind.get(kind)
            oldest = holder.xid if holder else holders.next
            age_s = age.of(f"{oldest}:{holders.next}:", now)
            self._tell(kind, holder, age_s)

    def _tell(self, kind: str, holder: Holder | None, age_s: float) -> None:
        told = self._told.get(kind)
        if holder is None or age_s < ALARM_S:
            if told is not None:
                log.warning("VACUUM is no longer held back by %s: %s", KINDS[kind], told.holder)
                del self._told[kind]
            self._metrics.vacuum_is_held(kind, "", age_s)
            return
        self._told[kind] = held = Held(kind, holder.holder, age_s)
        # its state changes meanwhile, so the name is compared without it
        if told is None or told.holder.split(", ")[0] != holder.holder.split(", ")[0]:
            log.warning("%s; end it, or dead rows slow everything down", held)
        self._metrics.vacuum_is_held(kind, holder.holder, age_s)
