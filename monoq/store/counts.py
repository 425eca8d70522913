"""The tables of counts: one method per statement. It must never count history row by row."""

from collections.abc import Sequence

from monoq.job import Status
from monoq.store.database import Queryable, Row, query

MAX_HOPS = 5000
MAX_LOOKS = 20_000
# for the oldest of all tenants: see find_oldest_of_all.sql
FIRST_STORED = 1000
MAX_FIRST_HOPS = 2000


class CountStore:
    """Jobs per tenant and status."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def fold_counts(self, limit: int) -> int:
        """Folds up to `limit` appended changes into the totals; returns how many."""
        ((folded,),) = await self._database.fetch(query("fold_counts"), limit)
        return int(folded)

    async def count_jobs(self, tenants: Sequence[str]) -> Sequence[Row]:
        """Rows of tenant_id, status, jobs."""
        return await self._database.fetch(query("count_jobs"), tenants)

    async def find_tenants(self, after: str, limit: int, prefix: str) -> list[str]:
        """The first `limit` tenants after `after`, by name, whose names begin with `prefix`."""
        rows = await self._database.fetch(query("find_tenants"), after, limit, prefix)
        return [row["tenant_id"] for row in rows]

    async def rank_tenants(self, status: Status, limit: int, prefix: str) -> list[str]:
        """The `limit` tenants with most jobs in a status, whose names begin with `prefix`."""
        rows = await self._database.fetch(query("rank_tenants"), status, limit, prefix)
        return [row["tenant_id"] for row in rows]

    async def limits(self, tenants: Sequence[str]) -> dict[str, Row]:
        """Rows of max_running, rate, paused and held_by, of those whose starts are limited."""
        rows = await self._database.fetch(query("list_limits"), tenants)
        return {row["name"]: row for row in rows}

    async def sum_counts(self) -> dict[str, int]:
        """Jobs per status, of all tenants together."""
        return {
            row["status"]: row["jobs"] for row in await self._database.fetch(query("sum_counts"))
        }

    async def oldest_waiting(self, first: str, last: str) -> dict[str, float]:
        """Per tenant with due jobs, from `first` to `last` by name: for how many seconds its
        longest-waiting job has been due.

        After MAX_HOPS pairs of tenant and priority per type it stops: the rest is missing.
        """
        rows = await self._database.fetch(query("find_oldest_waiting"), first, last, MAX_HOPS)
        return {row["tenant_id"]: row["waited_s"] for row in rows}

    async def oldest_waiting_of(self, tenants: Sequence[str]) -> dict[str, float]:
        """The same of tenants that are no neighbours. After MAX_LOOKS pairs of tenant and type it
        stops."""
        most = MAX_LOOKS // max(len(tenants), 1)
        rows = await self._database.fetch(query("find_oldest_of_tenants"), tenants, most)
        return {row["tenant_id"]: row["waited_s"] for row in rows}

    async def oldest_of_all(self) -> float | None:
        """For how many seconds the longest-waiting due job has been due; None: no due job waits."""
        ((waited_s,),) = await self._database.fetch(
            query("find_oldest_of_all"), FIRST_STORED, MAX_FIRST_HOPS
        )
        return None if waited_s is None else float(waited_s)
