"""Which jobs are next, fairly. It must never decide who runs them: that is the claim's."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import attrgetter

import orjson

from monoq.store.jobs import JobStore

MAX_DEPTH = 256  # times an even share
# A look that passes over rows that are gone may miss a job that was stored in a transaction which
# stayed open for longer than this; a whole look, which misses nothing, follows within WHOLE_S, or
# within WHOLE_SHARE times what the last whole look took, if that is longer.
MARGIN_S = 1.0
WHOLE_S = 1.0
WHOLE_SHARE = 20
# The rows of a tenant that has no jobs left stand there as well: where they began is remembered.
REMEMBERED_S = 600.0
MAX_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class _Busy:
    """Where the waiting rows of a busy pair of type and tenant begin."""

    suspect: bool
    type: str
    tenant_id: str
    priority: int
    run_at: datetime


@dataclass(frozen=True, slots=True)
class Next:
    """What a look found. `more`: others wait. `last_tenant`: where the next look should go on,
    if there were more tenants than wanted."""

    ids: str
    more: bool
    last_tenant: str | None


class Due:
    """Looks into each tenant for its even share, and deeper only while that does not bring enough.

    Where a few tenants have most of the work, an even share of each falls short; looking deep
    everywhere costs as much as it finds.

    While somebody holds an old snapshot, no vacuum can remove the rows of jobs that were claimed,
    and those of a busy tenant stand before its next job. So most looks begin where the last one
    found the first row, and a whole look comes from time to time.
    """

    def __init__(self, jobs: JobStore, takes: Sequence[tuple[bool, str]]) -> None:
        self._jobs = jobs
        self._takes = takes
        self._depth = 1
        self._busy: list[_Busy] = []  # as of the last look
        # and of those before, and when
        self._remembered: dict[tuple[bool, str, str], tuple[_Busy, float]] = {}
        self._whole_at = 0.0
        self.falls_short = False  # whether the next look would bring more

    async def select(self, most: int, soon: int = 0, after: str = "") -> Next:
        """Ids ("id,id,…") of up to `most` waiting jobs. Raises DatabaseUnavailable.

        `soon`: how many jobs start within a moment; so many may stand in any order. `after`:
        begins behind this tenant.
        """
        began = time.monotonic()
        whole = began >= self._whole_at
        busy = [] if whole else [one for one in self._known(began) if one.tenant_id > after]
        # The next look is a light one if this fails: it may have taken too long.
        depth, self._depth = self._depth, 1
        self.falls_short = False
        try:
            row = await self._jobs.select_waiting_jobs(
                most, self._places(busy, after), _columns(busy), depth, soon
            )
        finally:
            if whole:
                took = time.monotonic() - began
                self._whole_at = began + took + max(WHOLE_S, WHOLE_SHARE * took)
        self._busy = [_busy(found) for found in orjson.loads(row["busy"])]
        for one in self._busy:
            self._remembered.pop((one.suspect, one.type, one.tenant_id), None)
            self._remembered[one.suspect, one.type, one.tenant_id] = one, began
        ids, deeper = row["ids"], row["deeper"] and depth < MAX_DEPTH
        self.falls_short = deeper
        self._depth = 4 * depth if deeper else max(1, depth // 2)
        if row["deeper"] and not deeper:
            self._depth = depth
        full = len(ids) + 1 >= 37 * most
        return Next(ids, full or row["deeper"], row["last_tenant"])

    async def select_others(self, most: int, after: str = "") -> Next:
        """The first jobs of up to `most` tenants that the last look did not find busy, newcomers
        among them; and of busy ones what is more urgent than all that was found. Costs little."""
        known = [one for one in self._known(time.monotonic()) if one.tenant_id > after]
        busy = set(self._busy)
        *columns, _ = _columns(known)
        run_ats = [None if one in busy else one.run_at for one in known]
        row = await self._jobs.select_waiting_jobs(
            most, self._places(known, after), [*columns, run_ats], 1, 0
        )
        return Next(row["ids"], False, row["last_tenant"])

    def _known(self, now: float) -> list[_Busy]:
        """Those that are or were busy, where their first row was found last."""
        while self._remembered:
            oldest = next(iter(self._remembered))
            if (
                len(self._remembered) <= MAX_REMEMBERED
                and now - self._remembered[oldest][1] < REMEMBERED_S
            ):
                break
            del self._remembered[oldest]
        return [one for one, _ in self._remembered.values()]

    def _places(self, busy: Sequence[_Busy], after: str) -> list[list[object]]:
        """Where to hop: between the tenants that are known to be busy."""
        columns: list[list[object]] = [[], [], [], []]
        for suspect, job_type in self._takes:
            known = [
                one.tenant_id for one in busy if (one.suspect, one.type) == (suspect, job_type)
            ]
            bounds: list[str | None] = [after, *sorted(known), None]
            for low, high in pairwise(bounds):
                for column, value in zip(columns, (suspect, job_type, low, high), strict=True):
                    column.append(value)
        return columns


_FIELDS = [attrgetter(name) for name in ("suspect", "type", "tenant_id", "priority", "run_at")]


def _columns(busy: Sequence[_Busy]) -> list[list[object]]:
    return [[field(one) for one in busy] for field in _FIELDS]


def _busy(found: dict[str, object]) -> _Busy:
    run_at = datetime.fromtimestamp(float(str(found["run_at"])), UTC) - timedelta(seconds=MARGIN_S)
    return _Busy(
        bool(found["suspect"]),
        str(found["type"]),
        str(found["tenant_id"]),
        int(str(found["priority"])),
        run_at,
    )
