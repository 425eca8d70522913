"""What changed, for those who come back, and for how long it is kept: one method per statement. It
must never decide who may come back."""

from collections.abc import Sequence
from uuid import UUID

from monoq.store.database import Queryable, Row, query


class StreamStore:
    """Reads the changes of one tenant in the order of their transactions."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def measure_replay(self, tenant_id: str, since: int, limit: int) -> tuple[int, int]:
        """Where a replay from `since` on ends; and the newest transaction from which on there are
        more than `limit` changes, 0 if none."""
        (row,) = await self._database.fetch(query("measure_replay"), tenant_id, since, limit)
        return row["end"], row["too_far"] or 0

    async def read_replay(
        self, tenant_id: str, after: tuple[int, UUID], end: int, limit: int
    ) -> tuple[int, Sequence[Row]]:
        """A page behind `after` (transaction, job), below transaction `end`; and the floor below
        which changes may be gone, or jobs."""
        rows = await self._database.fetch(query("read_replay"), tenant_id, *after, end, limit)
        return rows[0]["floor"], [row for row in rows if row["id"] is not None]

    async def retire_changes(self, kept_s: float) -> bool:
        """Lets go of changes older than `kept_s` seconds, or twice that; whether it was time to."""
        return bool(await self._database.fetch(query("retire_changes"), kept_s))

    async def prune_changes(self, limit: int) -> int:
        """Removes up to `limit` rows of changes that nobody can ask for; returns how many."""
        ((pruned,),) = await self._database.fetch(query("prune_changes"), limit)
        return int(pruned)
