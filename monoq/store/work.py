"""What tenants hold of the slots, and how long their jobs run: for an order by work, not by turns.
It must cost nothing while slots are not what jobs wait for."""

import time
from collections.abc import Sequence

from monoq.store.jobs import JobStore

# Once so many slots are taken, slots decide which jobs wait.
SATURATED = 0.5
# Within this time after a look the slots that jobs end are given to others.
HORIZON_S = 0.5
SHORT_RUN_S = 0.01  # where all runs are shorter, in the mean, turns are shares of the slots
IDLE_S = 0.15  # while slots decide nothing, so often it looks whether they do
LEAST = 0.002  # of a slot that a start costs
MAX_REMEMBERED = 10_000


class Work:
    """As of the last look. `slots`: of all workers that take these jobs; 0: not known."""

    def __init__(self, jobs: JobStore, types: Sequence[str]) -> None:
        self._jobs = jobs
        self._types = types
        self._held: dict[str, int] = {}
        self._run_s: dict[str, float] = {}
        self._looked_at = float("-inf")
        self.slots = 0
        self.decides = False  # whether slots are what jobs wait for

    async def look(self, tenants: int) -> None:
        """`tenants`: how many have jobs waiting; one shares with nobody. Raises
        DatabaseUnavailable."""
        now = time.monotonic()
        if tenants < 2 or not self.slots or not self._types:
            self.decides = False
            return
        if not self.decides and now - self._looked_at < IDLE_S:
            return
        self._looked_at = now
        self._held = {}
        least = max(int(SATURATED * self.slots), 1)
        rows = await self._jobs.measure_held(self._types, least, SHORT_RUN_S)
        if len(self._run_s) > MAX_REMEMBERED:
            self._run_s.clear()
        for row in rows:
            tenant_id = row["tenant_id"]
            self._held[tenant_id] = row["held"]
            # a run is half done on average when it is seen
            seen = 2 * row["age_s"]
            before = self._run_s.get(tenant_id, seen)
            self._run_s[tenant_id] = 0.7 * before + 0.3 * seen
        self.decides = bool(rows)

    def held(self, tenant_id: str) -> int:
        """How many slots it holds."""
        return self._held.get(tenant_id, 0)

    def load(self, tenant_id: str) -> float:
        """What one start of its jobs takes of a slot, in the mean over HORIZON_S; 1: all of it, as
        long as nothing is known."""
        run_s = self._run_s.get(tenant_id, HORIZON_S)
        return min(max(run_s / HORIZON_S, LEAST), 1.0)
