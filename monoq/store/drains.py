"""How fast tenants drain, for `Retry-After`: an estimate, never a promise."""

import time
from collections import OrderedDict

from monoq.errors import MonoqError
from monoq.job import Status
from monoq.store.counts import CountStore

FINAL = {Status.COMPLETED, Status.FAILED, Status.CANCELLED}
MIN_ELAPSED_S = 0.5  # a shorter sample is too noisy
MAX_S = 60
MAX_TENANTS = 10_000


class Drains:
    """Remembers, per tenant that was refused, how many of its jobs had ended, and when."""

    def __init__(self, counts: CountStore) -> None:
        self._counts = counts
        self._seen: OrderedDict[str, tuple[float, int, int]] = OrderedDict()

    async def seconds_for(self, tenant_id: str, jobs: int) -> int:
        """After how many seconds there may be room for so many jobs, 1 to MAX_S."""
        now = time.monotonic()
        seen_at, ended, seconds = self._seen.get(tenant_id, (0.0, 0, 1))
        if now - seen_at < MIN_ELAPSED_S:
            return seconds
        try:
            rows = await self._counts.count_jobs(tenant_id)
        except MonoqError:
            return seconds
        ended_now = sum(row["jobs"] for row in rows if row["status"] in FINAL)
        if seen_at:
            per_s = max(ended_now - ended, 0) / (now - seen_at)
            seconds = min(max(int(jobs / per_s) + 1, 1), MAX_S) if per_s else MAX_S
        self._seen[tenant_id] = now, ended_now, seconds
        self._seen.move_to_end(tenant_id)
        if len(self._seen) > MAX_TENANTS:
            self._seen.popitem(last=False)
        return seconds
