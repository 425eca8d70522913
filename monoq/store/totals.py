"""What all tenants have together. It must look at types and workers, never at jobs or tenants."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from monoq.job import Status
from monoq.store.counts import CountStore
from monoq.store.database import Queryable, Row, query
from monoq.store.workers import POOLS, WorkerStore, pool_of

MAX_NOT_DUE = 10_000  # up to here, jobs that wait for their time are counted
MAX_LACKING = 20  # types without a worker that are named
MAX_LACKING_DUE = 1000  # of each, up to here its due jobs are counted


class PoolUse(NamedTuple):
    """How many jobs of a pool may run at once, in all workers that take jobs, and how many do in
    all live ones."""

    slots: int
    used: int


class Totals(NamedTuple):
    """All of it at one moment. `at`: seconds since 1970, by Postgres' clock; `oldest_s`: seconds,
    None: no due job waits; `workers`: the live ones, of which so many are `draining`; `lacking`:
    types that no worker which takes jobs has a handler for, and how many of their jobs are due."""

    at: float
    jobs: dict[str, int]
    not_due: int
    oldest_s: float | None
    workers: int
    draining: int
    pools: dict[str, PoolUse]
    lacking: dict[str, int]


class TotalsStore:
    """Reads the totals. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Queryable) -> None:
        self._database = database
        self._counts = CountStore(database)
        self._workers = WorkerStore(database)

    async def read(self) -> Totals:
        """A few statements, each of which looks at a bounded number of rows."""
        by_type = await self.count_types()
        live = await self._workers.list_live_workers()
        taking = [worker for worker in live if not worker["draining"]]
        (later,) = await self._database.fetch(query("count_not_due"), MAX_NOT_DUE)
        jobs: Counter[str] = Counter(dict.fromkeys(Status, 0))
        for counts in by_type.values():
            jobs.update(counts)
        return Totals(
            at=later["at"],
            jobs=dict(jobs),
            not_due=later["jobs"],
            oldest_s=await self._counts.oldest_of_all(),
            workers=len(live),
            draining=len(live) - len(taking),
            pools=_pools(live, taking, by_type),
            lacking=await self._lacking(taking, by_type),
        )

    async def count_types(self) -> dict[str, dict[str, int]]:
        """Jobs by type and status."""
        by_type: dict[str, dict[str, int]] = {}
        for row in await self._database.fetch(query("count_by_type")):
            counts = by_type.setdefault(row["type"], dict.fromkeys(Status, 0))
            counts[Status(row["status"])] = row["jobs"]
        return by_type

    async def _lacking(
        self, workers: Sequence[Row], by_type: Mapping[str, Mapping[str, int]]
    ) -> dict[str, int]:
        waiting = [
            job_type
            for job_type, counts in by_type.items()
            if counts[Status.PENDING] > 0 and _home(workers, job_type) is None
        ][:MAX_LACKING]
        if not waiting:
            return {}
        rows = await self._database.fetch(query("count_due"), waiting, MAX_LACKING_DUE)
        return {row["type"]: row["due"] for row in rows if row["due"]}


def _home(workers: Sequence[Row], job_type: str) -> str | None:
    """The pool in which jobs of a type run; None: no live worker has a handler."""
    pools = (pool_of(worker, job_type, False) for worker in workers)
    return next((pool for pool in pools if pool), None)


def _pools(
    live: Sequence[Row], taking: Sequence[Row], by_type: Mapping[str, Mapping[str, Any]]
) -> dict[str, PoolUse]:
    """By the counts of types: suspects, which run in children, are counted with their type."""
    used: Counter[str] = Counter()
    for job_type, counts in by_type.items():
        if counts[Status.RUNNING] > 0 and (home := _home(live, job_type)):
            used[home] += counts[Status.RUNNING]
    return {
        pool: PoolUse(sum(worker[size] for worker in taking), used[pool])
        for pool, (size, _) in POOLS.items()
    }
