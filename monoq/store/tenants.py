"""Tenants as people look at them: a page of them in some order, and their numbers. It reads counts
and policies, and of jobs the first that waits."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from monoq.job import Status
from monoq.policy import Policy, Room, Scope, Setting
from monoq.store.counts import CountStore
from monoq.store.database import Database, Row, query
from monoq.store.policies import PolicyStore

ABOVE_ALL_NAMES = "~"
TOTALS_S = 2.0  # how old the sums over all tenants may be

Counts = dict[str, int]
Place = tuple[int, str]


class Tenant(NamedTuple):
    """The numbers of a tenant. `running_share`: of all jobs that run; `weight_share`: of the
    weights of all tenants of whom jobs wait or run, None: nobody's do. `held_by`: which limit lets
    none of its waiting jobs start."""

    id: str
    counts: Counts
    oldest_waiting_s: float | None
    weight: float
    running_share: float
    weight_share: float
    policy: Policy
    held_by: str | None


class TenantStore:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts = CountStore(database)
        self._policies = PolicyStore(database)
        self._totals = (0.0, 0)  # weights, running jobs
        self._totals_at = float("-inf")

    async def by_name(
        self, prefix: str, after: str | None, backwards: bool, limit: int
    ) -> list[str]:
        """The next tenants whose name begins with `prefix`, behind `after`."""
        behind = after if after is not None else ABOVE_ALL_NAMES if backwards else ""
        sql = query("list_tenants")
        bounds = (prefix, prefix + ABOVE_ALL_NAMES)
        rows = await self._database.fetch(sql, *bounds, behind, limit, backwards)
        return [row["tenant_id"] for row in rows]

    async def by_number(
        self,
        number: Literal["backlog", "running"],
        prefix: str,
        after: Place | None,
        backwards: bool,
        limit: int,
    ) -> list[Place]:
        """The same in the order of a number, as of the last fold of the counts; `backwards`: the
        greatest first. Each with its place in this order."""
        rows = await self._database.fetch(
            query("rank_tenants"),
            number,
            prefix,
            prefix + ABOVE_ALL_NAMES,
            *(after or (None, None)),
            limit,
            -1 if backwards else 1,
        )
        return [(row["place"], row["tenant_id"]) for row in rows]

    async def read(self, names: Sequence[str]) -> list[Tenant]:
        """The numbers of tenants, in this order."""
        if not names:
            return []
        counted, oldest, policies, rooms, (weights, running) = await asyncio.gather(
            self._counts.count_jobs(*names),
            self._counts.oldest_waiting(*names),
            self._database.fetch(query("policies_of"), names),
            self._policies.rooms(names, []),
            self._sum(),
        )
        counts = counts_by_tenant(counted)
        settings: defaultdict[str, dict[str, Setting]] = defaultdict(dict)
        weight_of: dict[str, float] = {}
        for row in policies:
            setting = Setting(row["value"], row["until"], row["afterwards"])
            settings[row["name"]][row["field"]] = setting
            if row["field"] == "weight" and row["holds"] is not None:
                weight_of[row["name"]] = row["holds"]
        usual = weight_of.get("", 1.0)
        return [
            Tenant(
                name,
                counts[name],
                oldest.get(name),
                weight := weight_of.get(name, usual),
                counts[name][Status.RUNNING] / running if running else 0.0,
                weight / max(weights, weight) if _is_active(counts[name]) else 0.0,
                settings[name],
                _held_by(counts[name], rooms.get((Scope.TENANT, name))),
            )
            for name in names
        ]

    async def _sum(self) -> tuple[float, int]:
        if time.monotonic() - self._totals_at > TOTALS_S:
            self._totals_at = time.monotonic()
            (row,) = await self._database.fetch(query("sum_weights"))
            self._totals = row["weight"], row["running"]
        return self._totals


def counts_by_tenant(rows: Iterable[Row]) -> defaultdict[str, Counts]:
    """Of rows of count_jobs.sql: jobs per status."""
    by_tenant: defaultdict[str, Counts] = defaultdict(lambda: dict.fromkeys(Status, 0))
    for row in rows:
        by_tenant[row["tenant_id"]][Status(row["status"])] = row["jobs"]
    return by_tenant


def _is_active(counts: Counts) -> bool:
    return counts[Status.PENDING] > 0 or counts[Status.RUNNING] > 0


def _held_by(counts: Counts, room: Room | None) -> str | None:
    return room.held_by if room and counts[Status.PENDING] else None
