"""What happened in each minute and each hour, by tenant and type: one method per statement. It must
never read jobs: a query costs as much as it covers minutes or hours."""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate, chain
from typing import NamedTuple

from monoq.store.database import Queryable, Row, query


class Times(NamedTuple):
    """How long runs of a tenant and a type had waited and taken: histograms, as of buckets.py. A
    tenant '' stands for all tenants together."""

    tenant_id: str
    type: str
    waits: Sequence[int]
    runs: Sequence[int]


class HistoryStore:
    """A series is a tenant and a type; '' stands for all of them."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def write_times(self, times: Sequence[Times]) -> None:
        """Appends what a worker has measured."""
        if not times:
            return
        tenants, types, waits, runs = zip(*times, strict=True)
        await self._database.fetch(
            query("write_times"), tenants, types, *_flat(waits), *_flat(runs)
        )

    async def close_minute(self, lag_s: float) -> bool:
        """Closes the oldest minute that ended `lag_s` ago or longer; whether there was one."""
        ((closed,),) = await self._database.fetch(query("close_minute"), lag_s)
        return bool(closed)

    async def prune_history(self, minutes_s: float, hours_s: float, limit: int) -> int:
        """Removes up to `limit` rows of minutes and hours that are older than so many seconds;
        returns how many."""
        ((pruned,),) = await self._database.fetch(query("prune_history"), minutes_s, hours_s, limit)
        return int(pruned)

    async def read_history(
        self, tenant_id: str, job_type: str, step_s: int, first: datetime, end: datetime
    ) -> Sequence[Row]:
        """All that a history of one series is made of, see read_history.sql. `step_s`: 60 or
        3600."""
        return await self._database.fetch(
            query("read_history"), tenant_id, job_type, step_s, first, end
        )


def _flat(histograms: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """One behind the other, and where each ends: PostgreSQL has no arrays of arrays of different
    lengths."""
    return list(chain.from_iterable(histograms)), list(accumulate(map(len, histograms)))
