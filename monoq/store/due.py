"""Which jobs are next, fairly. It must never decide who runs them: that is the claim's."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from operator import attrgetter, itemgetter
from typing import NamedTuple
from uuid import UUID

from monoq.policy import Room, Scope
from monoq.store.database import Row
from monoq.store.jobs import JobStore
from monoq.store.limits import Limits
from monoq.store.turns import count, cut, draw, merge, take_by_weight, take_by_work, take_turns
from monoq.store.work import Work

MAX_DEPTH = 256  # times an even share
MAX_FOUND = 20_000  # ids that one look reads, where tenants need more than an even share
TOGETHER = 32  # jobs of a tenant that stand together, at most
# A look that passes over rows that are gone may miss a job of a busy tenant whose transaction was
# committed after others that began later. A whole look, which misses nothing, follows within
# WHOLE_S, or within WHOLE_SHARE times what the last whole look took, if that is longer.
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
    id: UUID


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

    def __init__(self, jobs: JobStore, takes: Sequence[tuple[bool, str]], limits: Limits) -> None:
        self._jobs = jobs
        self._limits = limits
        self._takes = takes
        # A suspect runs in a child, whatever its type is: that it runs elsewhere says nothing.
        self.work = Work(jobs, [job_type for suspect, job_type in takes if not suspect])
        self._tenants = 1  # as of the last look
        self._depth = 1
        self._busy: list[_Busy] = []  # as of the last look
        # and of those before, and when
        self._remembered: dict[tuple[bool, str, str], tuple[_Busy, float]] = {}
        self._whole_at = 0.0
        self.falls_short = False  # whether the next look would bring more
        # Of the last look: whether limits held jobs back, and whether one of them is a rate.
        self.held_back = self.held_by_rates = False

    async def select(
        self, limit: int, soon: int = 0, after: str = "", *, without: Set[str] = frozenset()
    ) -> Next:
        """Ids ("id,id,…") of up to `limit` waiting jobs. Raises DatabaseUnavailable.

        Which jobs are taken goes by turn and age, always. `soon`: how many jobs start within a
        moment; so many may stand in any order. `after`: begins behind this tenant. `without`: no
        jobs of these tenants.
        """
        began = time.monotonic()
        whole = began >= self._whole_at
        busy = [] if whole else [one for one in self._known(began) if one.tenant_id > after]
        # The next look is a light one if this fails: it may have taken too long.
        depth, self._depth = self._depth, 1
        if self.work.decides:  # one tenant of short jobs may need all that is chosen
            depth = max(depth, min(self._tenants, MAX_FOUND // limit))
        self.falls_short = False
        try:
            rows = await self._jobs.select_waiting_jobs(
                limit, self._places(busy, after), _columns(busy), depth
            )
        finally:
            if whole:
                took = time.monotonic() - began
                self._whole_at = began + took + max(WHOLE_S, WHOLE_SHARE * took)
        self._busy = [_busy(row) for row in rows if row["first_id"]]
        for one in self._busy:
            self._remembered.pop((one.suspect, one.type, one.tenant_id), None)
            self._remembered[one.suspect, one.type, one.tenant_id] = one, began
        found = [one for one in await self._with_room(rows) if one.tenant_id not in without]
        self._tenants = len(found)
        await self.work.look(self._tenants)
        has_more = any(one.has_more for one in found)
        together = min(soon // len(found), TOGETHER) if found else 0
        if together > 1:  # any order will do, as long as no tenant is always the first
            start = random.randrange(len(found))  # noqa: S311
            found = found[start:] + found[:start]
        ids = self._take(found, limit, max(together, 1))
        deeper = has_more and count(ids) < limit
        self.falls_short = deeper and depth < MAX_DEPTH
        self._depth = 4 * depth if self.falls_short else max(1, depth // 2)
        if deeper and not self.falls_short:
            self._depth = depth
        return Next(ids, deeper or count(ids) >= limit, _last_tenant(rows, limit))

    async def select_others(self, limit: int, after: str = "") -> Next:
        """The first jobs of up to `limit` tenants that the last look did not find busy, newcomers
        among them; and of busy ones what is more urgent than all that was found. Costs little."""
        known = [one for one in self._known(time.monotonic()) if one.tenant_id > after]
        busy = set(self._busy)
        columns = _columns(known)
        columns[4] = [None if one in busy else one.run_at for one in known]
        rows = await self._jobs.select_waiting_jobs(limit, self._places(known, after), columns, 1)
        found = await self._with_room(rows)
        return Next(self._take(found, limit, 1), False, _last_tenant(rows, limit))

    def _take(self, found: Sequence["_Found"], limit: int, together: int) -> str:
        texts = [one.ids for one in found]
        if self.work.decides:
            names = [one.tenant_id for one in found]
            return take_by_work(
                texts,
                limit,
                [self._limits.weight(name) for name in names],
                [self.work.held(name) for name in names],
                [self.work.load(name) for name in names],
            )
        if self._limits.weighted:
            return take_by_weight(
                texts, limit, [self._limits.weight(one.tenant_id) for one in found]
            )
        return take_turns(texts, limit, together)

    async def _with_room(self, rows: Sequence[Row]) -> list["_Found"]:
        """What was found of each tenant, that of the oldest job first; without what a limit holds
        back: it would stand in front of others."""
        rooms: dict[tuple[Scope, str], Room] = {}
        if self._limits.active and rows:
            tenants = sorted({row["tenant_id"] for row in rows if row["n"]})
            types = sorted({row["type"] for row in rows if row["n"]})
            rooms = await self._limits.rooms(tenants, types)
        self.held_back = bool(rooms)
        self.held_by_rates = any(room.has_rate for room in rooms.values())
        of_types = _rooms_of_types(rows, rooms, self._limits.weight)
        of_tenant: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row["n"]:
                of_tenant[row["tenant_id"]].append(row)
        found: list[tuple[float, _Found]] = []
        for tenant_id, pairs in of_tenant.items():
            share = pairs[0]["depth"]
            ids = cut(_ids(pairs, of_types), share)
            has_more = count(ids) >= share
            if room := rooms.get((Scope.TENANT, tenant_id)):
                has_more = has_more and share < room.jobs
                ids = cut(ids, room.jobs)
            if ids:
                found.append(
                    (min(row["oldest"] for row in pairs), _Found(tenant_id, ids, has_more))
                )
        found.sort(key=itemgetter(0))
        return [one for _, one in found]

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


class _Found(NamedTuple):
    """Jobs of a tenant; whether it has more that might be taken."""

    tenant_id: str
    ids: str
    has_more: bool


_FIELDS = [
    attrgetter(name) for name in ("suspect", "type", "tenant_id", "priority", "run_at", "id")
]


def _columns(busy: Sequence[_Busy]) -> list[list[object]]:
    return [[field(one) for one in busy] for field in _FIELDS]


def _busy(row: Row) -> _Busy:
    return _Busy(
        row["suspect"],
        row["type"],
        row["tenant_id"],
        row["first_priority"],
        datetime.fromtimestamp(row["first_run_at"], UTC),
        row["first_id"],
    )


def _rooms_of_types(
    rows: Sequence[Row],
    rooms: Mapping[tuple[Scope, str], Room],
    weight: Callable[[str], float],
) -> dict[tuple[str, str], int]:
    """How many jobs of a pair may start whose type has a limit: a share of its room, by weight."""
    of_pairs: dict[tuple[str, str], int] = {}
    for (scope, job_type), room in rooms.items():
        if scope is Scope.TYPE:
            pairs = [row for row in rows if row["type"] == job_type and row["n"]]
            weights = [weight(row["tenant_id"]) for row in pairs]
            drawn = Counter(
                pair for pair, _ in draw([row["n"] for row in pairs], room.jobs, weights)
            )
            for pair, row in enumerate(pairs):
                of_pairs[row["tenant_id"], job_type] = drawn[pair]
    return of_pairs


def _ids(pairs: Sequence[Row], of_types: Mapping[tuple[str, str], int]) -> str:
    """The jobs of a tenant, of all its types, in order."""
    parts = []
    for row in pairs:
        room = of_types.get((row["tenant_id"], row["type"]), row["n"])
        if room > 0:
            keys = zip(row["priorities"] or (), row["run_ats"] or (), strict=True)
            parts.append((cut(row["ids"], room), list(keys)[:room]))
    return parts[0][0] if len(parts) == 1 else merge(parts)


def _last_tenant(rows: Sequence[Row], limit: int) -> str | None:
    """Where the next look goes on, if there were more tenants than wanted."""
    tenants = {row["tenant_id"] for row in rows}
    return max(tenants) if len(tenants) >= limit else None
