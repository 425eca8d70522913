"""Pages of a tenant's jobs, newest first, by whatever people look for. Each look reads a bounded
number of rows through an index, whatever the filters: it must never scan the table."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from monoq import codec
from monoq.errors import TooBroad
from monoq.job import Status
from monoq.store.database import Queryable, Row, query

LOOK_S = 1.0  # for the jobs of a page, before it is answered as it is
LOOK_DEPTH = 4000  # jobs that one statement looks at, at most
# of a tenant: from so many on, the newest of all its jobs are looked at, most of which wait
MANY_WAITING = 20_000
MAX_ERRORS = 200  # different texts that begin alike; they are looked through one by one

Page = tuple[Sequence[Row], UUID | None]


class JobFilter(NamedTuple):
    """Which jobs: all that is not None. Ids are of version 7: `first` and `end` bound when they
    were made."""

    tenant_id: str
    status: Status | None = None
    type: str | None = None
    first: UUID | None = None
    end: UUID | None = None
    error: str | None = None  # how it begins; only those that ended badly have one to be found by
    idempotency_key: str | None = None
    tags: Sequence[tuple[str, str]] = ()


class JobLists:
    """Reads pages of jobs."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def list_jobs(self, wanted: JobFilter, below: UUID | None, limit: int) -> Page:
        """A page, ids below `below`; and below which id the next one begins, None: there is none.

        It may be short: where few jobs of many fit, looking for more ends after LOOK_S. Raises
        TooBroad.
        """
        below = min((id_ for id_ in (below, wanted.end) if id_ is not None), default=None)
        tags = codec.dumps(dict(wanted.tags)) if wanted.tags else None
        which = wanted.tenant_id, wanted.status, wanted.type
        if wanted.idempotency_key is not None:
            bounds = below, wanted.first, wanted.idempotency_key
            return (
                await self._database.fetch(
                    query("list_job_with_key"), *which, *bounds, tags, wanted.error
                ),
                None,
            )
        if wanted.tags:
            tag = await self._rarest(wanted)
            return await self._look(
                query("list_tagged_jobs"), wanted, below, limit, (tag,), (tags, wanted.error)
            )
        if wanted.error is not None:
            return await self._look(
                query("list_jobs_with_error"), wanted, below, limit, (wanted.error,), (MAX_ERRORS,)
            )
        page = wanted.tenant_id, wanted.type, below, wanted.first, limit + 1
        match wanted.status:
            case Status.PENDING if not await self._many_wait(wanted.tenant_id):
                return _page(await self._database.fetch(query("list_waiting_jobs"), *page), limit)
            case Status.RUNNING:
                return _page(await self._database.fetch(query("list_running_jobs"), *page), limit)
            case Status.FAILED | Status.CANCELLED:
                return await self._look(query("list_bad_jobs"), wanted, below, limit)
        return await self._look(query("list_jobs"), wanted, below, limit)

    async def _rarest(self, wanted: JobFilter) -> str:
        """The requested tag that the fewest jobs have."""
        tags = [f"{name}:{value}" for name, value in wanted.tags]
        if len(tags) == 1:
            return tags[0]
        rows = await self._database.fetch(query("count_tagged"), wanted.tenant_id, tags, LOOK_DEPTH)
        return min(zip(tags, rows, strict=True), key=lambda pair: int(pair[1]["jobs"]))[0]

    async def _many_wait(self, tenant_id: str) -> bool:
        ((jobs,),) = await self._database.fetch(query("count_waiting"), tenant_id)
        return bool(jobs > MANY_WAITING)

    async def _look(
        self,
        statement: str,
        wanted: JobFilter,
        below: UUID | None,
        limit: int,
        before: Sequence[Any] = (),
        after: Sequence[Any] = (),
    ) -> Page:
        """Looks deeper and deeper until the page is full. `before` and `after`: what the statement
        takes besides, before and after how much is missing and how deep it may look."""
        found: list[Row] = []
        which = wanted.tenant_id, wanted.status, wanted.type
        alone = wanted[1] is None and not before
        depth = limit + 1 if alone else 4 * limit
        end = time.monotonic() + LOOK_S
        while True:
            missing = limit + 1 - len(found)
            rows = await self._database.fetch(
                statement, *which, below, wanted.first, *before, missing, depth, *after
            )
            if rows[0].get("texts", 0) >= MAX_ERRORS:
                raise TooBroad(
                    "error",
                    f"{MAX_ERRORS} or more different errors begin like this: use a longer prefix",
                )
            found += [row for row in rows if row["id"] is not None]
            below = rows[0]["reached"]
            if len(found) > limit or below is None:
                return _page(found, limit)
            if time.monotonic() > end:
                return found, below
            depth = min(4 * depth, LOOK_DEPTH)


def _page(rows: Sequence[Row], limit: int) -> Page:
    return rows[:limit], rows[limit - 1]["id"] if len(rows) > limit else None
