"""What is removed when it is old: jobs that have ended, and idempotency keys. One method per
statement. It must never decide how long they are kept."""

from typing import NamedTuple
from uuid import UUID

from monoq.store.database import Queryable, query

FIRST = UUID(int=0)  # before all jobs


class Kept(NamedTuple):
    """For how many seconds jobs are kept after their end: those that COMPLETED; those that FAILED
    or were CANCELLED."""

    completed_s: float
    failed_s: float


class Place(NamedTuple):
    """Where the background removal stands: after which job; jobs that changed from transaction
    `told` on stay; whether it is time to continue."""

    reached: UUID
    told: int
    is_due: bool


class Removal(NamedTuple):
    """What a batch came to: how many jobs were looked at, were due, and were removed; the last one
    looked at; and for how many seconds some of those due should have been gone."""

    looked: int
    due: int
    removed: int
    reached: UUID | None
    overdue_s: float


class RetentionStore:
    """Through a Database, or a connection inside a caller's transaction."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def lock(self, mark_every_s: float) -> Place | None:
        """Takes the lock of the background removal; None: another process has it. A change is told
        once `mark_every_s` seconds have passed since all transactions of before it ended."""
        row = await self._database.fetchrow(query("lock_retention"), mark_every_s)
        return row and Place(row["reached"], row["told"], row["is_due"])

    async def save(self, reached: UUID, next_in_s: float) -> None:
        """Where the removal continues, and in how many seconds."""
        await self._database.fetch(query("save_retention"), reached, next_in_s)

    async def remove_jobs(
        self, after: UUID, kept: Kept, limit: int, told: int, *, dry: bool = False
    ) -> Removal:
        """Looks at up to `limit` jobs after this one; removes those that are due, if not `dry`."""
        (row,) = await self._database.fetch(query("remove_jobs"), after, *kept, limit, told, dry)
        return Removal(
            row["looked"], row["due"], row["removed"], row["reached"], row["overdue_s"] or 0.0
        )

    async def oldest_transaction(self) -> int:
        """Below it, all transactions have ended."""
        ((snapshot,),) = await self._database.fetch(query("read_snapshot"))
        return int(snapshot.split(":")[0])

    async def forget_keys(self, kept_s: float, limit: int) -> int:
        """Removes up to `limit` idempotency keys that were used longer ago; returns their
        number."""
        ((forgotten,),) = await self._database.fetch(query("forget_keys"), kept_s, limit)
        return int(forgotten)
