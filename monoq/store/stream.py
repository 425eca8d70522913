"""The table of changes: reads what returning viewers missed, and prunes. One method per statement.
It must never decide which cursor is honoured."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from monoq.store.database import Queryable, Row, query


class ReplayBounds(NamedTuple):
    """Transactions: where a replay ends, and the newest one from which on there are too many
    changes to replay; 0: there are not."""

    end: int
    too_far: int


class ReplayPage(NamedTuple):
    """Rows of jobs by (changed_xid, id), and the floor below which changes may be gone, or jobs."""

    floor: int
    rows: Sequence[Row]


class ChangesRead(NamedTuple):
    """Rows of jobs that changed; the snapshot of the read; from which transaction on changes are
    kept; and the tenants with too many changes, of which nothing was read."""

    rows: Sequence[Row]
    snapshot: str
    kept_from: int
    too_many: Sequence[str]


class StreamStore:
    """Reads the changes of one tenant in the order of their transactions."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def measure_replay(self, tenant_id: str, since: int, limit: int) -> ReplayBounds:
        """How far a replay from transaction `since` on may reach, with at most `limit` changes."""
        (row,) = await self._database.fetch(query("measure_replay"), tenant_id, since, limit)
        return ReplayBounds(row["end"], row["too_far"] or 0)

    async def read_replay(
        self, tenant_id: str, after: tuple[int, UUID], end: int, limit: int
    ) -> ReplayPage:
        """A page behind `after` (transaction, job), below transaction `end`."""
        rows = await self._database.fetch(query("read_replay"), tenant_id, *after, end, limit)
        return ReplayPage(rows[0]["floor"], [row for row in rows if row["id"] is not None])

    async def read_changes(
        self, tenants: Sequence[str], since: str, max_changes: int
    ) -> ChangesRead:
        """What changed for `tenants` since the snapshot `since`; nothing of a tenant with more than
        `max_changes` changes."""
        rows = await self._database.fetch(query("read_changes"), tenants, since, max_changes)
        first = rows[0]
        return ChangesRead(
            [row for row in rows if row["id"] is not None],
            first["snapshot"],
            first["kept_from"],
            first["too_many"],
        )

    async def retire_changes(self, kept_s: float) -> bool:
        """Lets go of changes older than `kept_s` seconds, or twice that; whether it was time to."""
        return bool(await self._database.fetch(query("retire_changes"), kept_s))

    async def prune_changes(self, limit: int) -> int:
        """Removes up to `limit` rows of changes that no cursor reaches; returns their number."""
        ((pruned,),) = await self._database.fetch(query("prune_changes"), limit)
        return int(pruned)
