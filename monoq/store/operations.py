"""Operations: many jobs cancelled or retried by a filter, in small transactions. A batch moves the
cursor in the transaction that changes its jobs: a crash loses no job and repeats none."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from monoq.job import Status, timestamp
from monoq.process import failpoint
from monoq.store.database import Database, Row, query

COUNT_S = 1.5  # for counting what a filter matches
MAX_ERROR = 1000
MAX_LOOKS = 5000  # ids that one statement looks at, in each table
FIRST, LATEST = UUID(int=0), datetime(9999, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """What an operation does."""

    CANCEL = "cancel"
    RETRY = "retry"


# the tenants concerned
STATUSES = {
    Kind.CANCEL: (Status.PENDING, Status.RUNNING),
    Kind.RETRY: (Status.FAILED, Status.CANCELLED),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs: those for which all that is said is true.

    `error_prefix`: what the last error begins with. `created_after` is included, `created_before`
    is not; both in UTC.
    """

    tenant_id: str | None = None
    type: str | None = None
    status: Status | None = None
    error_prefix: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def json(self) -> dict[str, Any]:
        """What is said, as the API takes it."""
        said = {
            "tenantId": self.tenant_id,
            "type": self.type,
            "status": self.status,
            "errorPrefix": self.error_prefix,
            "createdAfter": timestamp(self.created_after),
            "createdBefore": timestamp(self.created_before),
        }
        return {name: value for name, value in said.items() if value is not None}

    @classmethod
    def read(cls, text: str) -> "Filter":
        """From the JSON that is stored."""
        said = orjson.loads(text)
        return cls(
            said.get("tenantId"),
            said.get("type"),
            Status(said["status"]) if "status" in said else None,
            said.get("errorPrefix"),
            *(
                datetime.fromisoformat(said[name]) if name in said else None
                for name in ("createdAfter", "createdBefore")
            ),
        )

    @property
    def is_counted(self) -> bool:
        """Whether the tables of counts know how many jobs it matches."""
        return not (self.error_prefix or self.created_after or self.created_before)

    def statuses(self, kind: Kind) -> Sequence[str]:
        """Those of the jobs that an operation of this kind may change."""
        return [self.status] if self.status else STATUSES[kind]

    def arguments(self, kind: Kind, began: datetime) -> Sequence[object]:
        """$1 to $7 of find_jobs_to_cancel.sql."""
        return (
            self.statuses(kind),
            self.tenant_id,
            self.type,
            self.error_prefix,
            self.created_after,
            self.created_before,
            began,
        )


class Batch(NamedTuple):
    """What one transaction of an operation came to. `changed`: rows of the jobs as they are now;
    `behind`: how many jobs it has passed because others hold them."""

    kind: Kind
    changed: Sequence[Row]
    behind: int


class _Found(NamedTuple):
    """Ids of matching jobs, and where to look on; `at_end`: nowhere."""

    ids: Sequence[UUID]
    cursor_tenant: str
    cursor_id: UUID
    at_end: bool


class OperationStore:
    """The table `operations`. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looks = MAX_LOOKS

    async def count(self, kind: Kind, jobs: Filter) -> tuple[int, bool]:
        """How many jobs match now, and whether these are all: where only a look at each job can
        tell, counting ends after COUNT_S."""
        if jobs.is_counted:
            sql = query("count_jobs_of_filter")
            statuses = jobs.statuses(kind)
            ((counted,),) = await self._database.fetch(sql, statuses, jobs.tenant_id, jobs.type)
            return int(counted), True
        arguments = jobs.arguments(kind, LATEST)

        async def find(connection: asyncpg.Connection) -> _Found:
            await connection.execute(query("steer_plans"))
            return await _find(connection, kind, arguments, MAX_LOOKS, MAX_LOOKS, found)

        matched, found = 0, _Found([], jobs.tenant_id or "", FIRST, False)
        end = time.monotonic() + COUNT_S
        while not found.at_end:
            if time.monotonic() > end:
                return matched, False
            found = await self._database.in_transaction(find)
            matched += len(found.ids)
        return matched, True

    async def create(self, kind: Kind, jobs: Filter) -> Row:
        """A new operation, which begins within a second."""
        matched, all_counted = await self.count(kind, jobs)
        said = orjson.dumps(jobs.json()).decode()
        sql = query("insert_operation")
        (row,) = await self._database.fetch(sql, kind, said, matched, all_counted)
        return row

    async def get(self, operation_id: UUID) -> Row | None:
        """One operation; None: it does not exist."""
        return await self._database.fetchrow(query("get_operation"), operation_id)

    async def list(self, below: UUID | None, limit: int) -> Sequence[Row]:
        """Operations, newest first."""
        return await self._database.fetch(query("list_operations"), below, limit)

    async def abort(self, operation_id: UUID) -> Row | None:
        """Ends an operation after the current batch; None: it has already ended."""
        return await self._database.fetchrow(query("abort_operation"), operation_id)

    async def has_open(self) -> bool:
        """Whether there is an operation to continue."""
        ((found,),) = await self._database.fetch(query("has_open_operations"))
        return bool(found)

    async def prune(self, kept_s: float) -> None:
        """Forgets operations that ended longer ago."""
        await self._database.fetch(query("prune_operations"), kept_s)

    async def go_on(self, limit: int) -> Batch | None:
        """The next batch of an operation, up to `limit` jobs, in one transaction; None: there is
        none that no other process carries out at this moment.

        An error that is no outage ends the operation as FAILED.
        """
        operation_id: UUID | None = None

        async def step(connection: asyncpg.Connection) -> Batch | None:
            nonlocal operation_id
            await connection.execute(query("steer_plans"))
            operation = await connection.fetchrow(query("lock_operation"))
            if operation is None:
                return None
            operation_id = operation["id"]
            batch, found = await _step(connection, operation, limit, self._looks)
            # Where most match, it need not look at more than it takes.
            self._looks = min(max(self._looks * limit // max(2 * found, 1), limit), MAX_LOOKS)
            return batch

        try:
            return await self._database.in_transaction(step)
        except asyncpg.PostgresError as error:
            if operation_id is None:
                raise
            reason = " ".join(str(error).split())[:MAX_ERROR]
            await self._database.fetch(query("fail_operation"), operation_id, reason)
            raise


async def _step(
    connection: asyncpg.Connection, operation: Row, limit: int, looks: int
) -> tuple[Batch, int]:
    """A batch, and how many jobs it found."""
    kind, jobs = Kind(operation["kind"]), Filter.read(operation["filter"])
    arguments = jobs.arguments(kind, operation["created_at"])
    again, later = operation["behind"][:limit], operation["behind"][limit:]
    cursor_tenant = operation["cursor_tenant"] or jobs.tenant_id or ""
    found = _Found([], cursor_tenant, operation["cursor_id"], operation["at_end"])
    if not found.at_end and len(again) < limit:
        found = await _find(connection, kind, arguments, limit - len(again), looks, found)
    ids = [*again, *found.ids]
    rows: Sequence[Row] = []
    if ids:
        text = query("cancel_jobs") if kind is Kind.CANCEL else query("retry_jobs")
        rows = await connection.fetch(text, *arguments, ids)
    failpoint.hit("in_operation_batch")
    changed = [row for row in rows if row["tenant_id"] is not None]
    # first those that were not tried now: one that is held for long delays none of them
    behind = [*later, *(row["id"] for row in rows if row["tenant_id"] is None)]
    await connection.execute(
        query("move_operation"),
        operation["id"],
        found.cursor_tenant,
        found.cursor_id,
        found.at_end,
        behind,
        len(changed),
        len(ids) - len(rows),
    )
    return Batch(kind, changed, len(behind)), len(ids)


async def _find(
    connection: asyncpg.Connection,
    kind: Kind,
    arguments: Sequence[object],
    limit: int,
    looks: int,
    at: _Found,
) -> _Found:
    cursor: list[object] = [at.cursor_id, looks]
    if kind is Kind.CANCEL:
        text = query("find_jobs_to_cancel")
    else:
        text = query("find_jobs_to_retry")
        cursor.append(at.cursor_tenant)
    row = await connection.fetchrow(text, *arguments, limit, *cursor)
    if row["reached"] is None:
        return _Found(row["ids"], at.cursor_tenant, at.cursor_id, True)
    return _Found(row["ids"], row["reached_tenant"] or "", row["reached"], False)
