"""How much of each kind of capacity each tenant holds, so that nobody holds all of it. By the
worker's own count of the jobs in hand, which no other process can make wrong. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter

from monoq.app.pool import Pool
from monoq.policy import most_of
from monoq.worker.read_ahead import RunTimes
from monoq.worker.run import Run

LONG_S = 0.1  # a place that is held for longer is not free again in a moment
MAX_REMEMBERED = 10_000

_tenant = attrgetter("tenant_id")


class Shares:
    """`sizes`: places of each pool; `part`: of them that one tenant may hold, rounded to whole
    places. A pool of fewer than six has no place to spare at the usual 0.9.

    `ahead`, below: how many jobs may wait for a place, as short as runs of the pool are lately.
    Others' runs say nothing about a tenant's: it may have so many as its own allow. `in_hand`: all
    runs of the worker. `now` is on the monotonic clock.
    """

    def __init__(self, sizes: Mapping[Pool, int], part: float) -> None:
        self._limits = {pool: most_of(size, part) for pool, size in sizes.items()}
        self._held: dict[Pool, Counter[str]] = {pool: Counter() for pool in Pool}
        self._run_times: dict[Pool, dict[str, RunTimes]] = {pool: {} for pool in Pool}

    def add(self, pool: Pool, runs: Sequence[Run]) -> None:
        """Takes runs of a pool that were claimed."""
        self._held[pool].update(map(_tenant, runs))

    def remove(self, pool: Pool, runs: Sequence[Run], now: float) -> None:
        """Takes runs of a pool that have ended."""
        held = self._held[pool]
        for tenant, ended in Counter(map(_tenant, runs)).items():
            held[tenant] -= ended
            if not held[tenant]:
                del held[tenant]
        if pool is Pool.LOOP:  # there nothing waits for a place
            return
        for run in runs:
            if run.started_at:
                self._times_of(pool, run.tenant_id).note((run.ended_at or now) - run.started_at)

    def room(
        self,
        pool: Pool,
        wanted: int,
        *,
        taken: int,
        claiming: int,
        ahead: int,
        in_hand: Collection[Run],
        now: float,
    ) -> int:
        """How many of `wanted` jobs may be claimed, whosever they are. `taken`: places that are
        held or about to be; `claiming`: those about to be, of anybody."""
        if taken + wanted <= self._limits[pool]:  # nobody can hold more than all
            return wanted
        room = min(wanted, self._limits[pool] + ahead - claiming)
        for tenant, held in self._held[pool].items():
            if held + claiming + room > self._limits[pool]:  # the others have room enough
                limit = self._limit(pool, tenant, ahead, in_hand, now)
                room = min(room, limit - held - claiming)
        return max(0, room)

    def full(self, pool: Pool, *, ahead: int, in_hand: Collection[Run], now: float) -> list[str]:
        """The tenants that hold all they may."""
        return [
            tenant
            for tenant, held in self._held[pool].items()
            if held >= self._limits[pool] and held >= self._limit(pool, tenant, ahead, in_hand, now)
        ]

    def _limit(
        self, pool: Pool, tenant: str, ahead: int, in_hand: Collection[Run], now: float
    ) -> int:
        limit = self._limits[pool]
        if not ahead or tenant not in self._run_times[pool]:
            return limit
        long = sum(
            run.tenant_id == tenant and run.claimed_at < now - LONG_S and run.pool is pool
            for run in in_hand
        )
        if 2 * long >= limit:
            return limit
        return limit + min(ahead, self._run_times[pool][tenant].allowed(limit))

    def _times_of(self, pool: Pool, tenant: str) -> RunTimes:
        times = self._run_times[pool]
        if len(times) > MAX_REMEMBERED:
            times.clear()
        return times.setdefault(tenant, RunTimes())
