"""How much of each kind of capacity each tenant holds, so that nobody holds all of it. By the
worker's own count of the jobs in hand, which no other process can make wrong. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set

from monoq.app.pool import Pool
from monoq.policy import most_of
from monoq.worker.read_ahead import RunTimes
from monoq.worker.run import Run

LONG_S = 0.1  # a place that is held for longer is not free again in a moment
MAX_REMEMBERED = 10_000


class Shares:
    """`sizes`: places of each pool; `part`: of them that one tenant may hold, rounded to whole
    places. A pool of fewer than six has no place to spare at the usual 0.9.

    `ahead`, below: how many jobs may wait for a place, as short as runs of the pool are lately.
    Others' runs say nothing about a tenant's: it may have so many as its own allow. `now` is on
    the monotonic clock.
    """

    def __init__(self, sizes: Mapping[Pool, int], part: float) -> None:
        self._limits = {pool: most_of(size, part) for pool, size in sizes.items()}
        self._runs: dict[Pool, defaultdict[str, set[Run]]] = {
            pool: defaultdict(set) for pool in Pool
        }
        self._run_times: dict[Pool, dict[str, RunTimes]] = {pool: {} for pool in Pool}

    def add(self, runs: Iterable[Run]) -> None:
        """Takes runs that were claimed."""
        for run in runs:
            self._runs[run.pool][run.tenant_id].add(run)

    def remove(self, runs: Iterable[Run], now: float) -> None:
        """Takes runs that have ended."""
        for run in runs:
            of_tenants = self._runs[run.pool]
            held = of_tenants[run.tenant_id]
            held.discard(run)
            if not held:
                del of_tenants[run.tenant_id]
            if run.started_at and run.pool is not Pool.LOOP:  # where nothing waits for a place
                self._times_of(run.pool, run.tenant_id).note((run.ended_at or now) - run.started_at)

    def room(
        self, pool: Pool, wanted: int, *, taken: int, claiming: int, ahead: int, now: float
    ) -> int:
        """How many of `wanted` jobs may be claimed, whosever they are. `taken`: places that are
        held or about to be; `claiming`: those about to be, of anybody."""
        if taken + wanted <= self._limits[pool]:  # nobody can hold more than all
            return wanted
        room = min(wanted, self._limits[pool] + ahead - claiming)
        for tenant, runs in self._runs[pool].items():
            if len(runs) + claiming + room > self._limits[pool]:  # the others have room enough
                limit = self._limit(pool, tenant, runs, ahead, now)
                room = min(room, limit - len(runs) - claiming)
        return max(0, room)

    def full(self, pool: Pool, *, ahead: int, now: float) -> list[str]:
        """The tenants that hold all they may."""
        return [
            tenant
            for tenant, runs in self._runs[pool].items()
            if len(runs) >= self._limits[pool]
            and len(runs) >= self._limit(pool, tenant, runs, ahead, now)
        ]

    def _limit(self, pool: Pool, tenant: str, runs: Set[Run], ahead: int, now: float) -> int:
        limit = self._limits[pool]
        if not ahead or tenant not in self._run_times[pool]:
            return limit
        long = sum(run.claimed_at < now - LONG_S for run in runs)
        if 2 * long >= limit:
            return limit
        return limit + min(ahead, self._run_times[pool][tenant].allowed(limit))

    def _times_of(self, pool: Pool, tenant: str) -> RunTimes:
        times = self._run_times[pool]
        if len(times) > MAX_REMEMBERED:
            times.clear()
        return times.setdefault(tenant, RunTimes())
