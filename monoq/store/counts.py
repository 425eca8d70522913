"""The tables of counts: one method per statement. It must never count history row by row."""

from collections.abc import Sequence

from monoq.store.database import Queryable, Row, query

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

    async def count_jobs(self, *tenants: str) -> Sequence[Row]:
        """Rows of tenant_id, status, jobs."""
        return await self._database.fetch(query("count_jobs"), tenants)

    async def sum_counts(self) -> dict[str, int]:
        """Jobs per status, of all tenants together."""
        return {
            row["status"]: row["jobs"] for row in await self._database.fetch(query("sum_counts"))
        }

    async def waiting_tenants(self, after: str, limit: int) -> list[str]:
        """The next tenants after `after` with waiting jobs, by name, as of the last fold."""
        rows = await self._database.fetch(query("list_waiting_tenants"), after, limit)
        return [row["tenant_id"] for row in rows]

    async def oldest_waiting(self, *tenants: str) -> dict[str, float]:
        """For each of them with due jobs: for how many seconds the longest-waiting has been due."""
        rows = await self._database.fetch(query("find_oldest_of"), tenants)
        return {row["tenant_id"]: row["waited_s"] for row in rows}

    async def oldest_of_all(self) -> float | None:
        """For how many seconds the longest-waiting due job has been due; None: no due job waits."""
        ((waited_s,),) = await self._database.fetch(
            query("find_oldest_of_all"), FIRST_STORED, MAX_FIRST_HOPS
        )
        return None if waited_s is None else float(waited_s)
