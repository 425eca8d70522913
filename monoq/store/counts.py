"""The tables of counts: one method per statement. It must never count history row by row."""

from collections.abc import Sequence

from monoq.store.database import Queryable, Row, query

MAX_HOPS = 2000


class CountStore:
    """Jobs per tenant and status."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def fold_counts(self) -> None:
        """Folds appended changes into the totals."""
        await self._database.fetch(query("fold_counts"))

    async def count_jobs(self, tenant_id: str | None) -> Sequence[Row]:
        """Rows of tenant_id, status, jobs; of one tenant or of all."""
        return await self._database.fetch(query("count_jobs"), tenant_id)

    async def sum_counts(self) -> dict[str, int]:
        """Jobs per status, of all tenants together."""
        return {row["status"]: row["jobs"] for row in await self._database.fetch(query("sum_counts"))}

    async def oldest_waiting(self, tenant_id: str | None) -> dict[str, float]:
        """Per tenant with due jobs, or of one tenant: for how many seconds its longest-waiting job has been due.

        Of all tenants only the first MAX_HOPS pairs of tenant and priority per type are looked at.
        """
        rows = await self._database.fetch(query("find_oldest_waiting"), tenant_id, MAX_HOPS)
        return {row["tenant_id"]: row["waited_s"] for row in rows}

    async def oldest_of_all(self) -> float | None:
        """For how many seconds the longest-waiting due job has been due; None: no due job waits."""
        ((waited_s,),) = await self._database.fetch(query("find_oldest_of_all"))
        return None if waited_s is None else float(waited_s)
