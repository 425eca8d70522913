"""What changed, for those who come back: one method per statement. It must never decide who may come back."""

from collections.abc import Sequence
from uuid import UUID

from monoq.store.database import Queryable, Row, query


class StreamStore:
    """Reads the changes of one tenant in the order of their transactions."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def measure_replay(self, tenant_id: str, since: int, limit: int) -> tuple[int, int]:
        """Where a replay from `since` on ends; and the newest transaction from which on there are more than `limit` jobs, 0 if none."""
        (row,) = await self._database.fetch(query("measure_replay"), tenant_id, since, limit)
        return row["end"], row["too_far"] or 0

    async def read_replay(self, tenant_id: str, after: tuple[int, UUID], end: int, limit: int) -> tuple[int, Sequence[Row]]:
        """A page behind `after` (transaction, job), below transaction `end`; and the floor below which jobs may have been deleted."""
        rows = await self._database.fetch(query("read_replay"), tenant_id, *after, end, limit)
        return rows[0]["floor"], [row for row in rows if row["id"] is not None]
