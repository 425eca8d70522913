"""What running jobs say of themselves: their progress, and the lines of their logs."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from monoq.store.database import Queryable, Row, query


class WrittenProgress(NamedTuple):
    """How far a run is, from 0 to 1, and what it does."""

    job_id: UUID
    claim: int
    fraction: float
    text: str


class WrittenLine(NamedTuple):
    """A line of a run; `fields` is JSON text, or None."""

    job_id: UUID
    claim: int
    attempt: int
    at: datetime
    text: str
    fields: str | None


class ReportStore:
    """Everything is kept only from runs whose claim is the newest of their job."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def write_progress(self, reports: Sequence[WrittenProgress]) -> set[UUID]:
        """Replaces the progress of jobs; returns whose was kept."""
        if not reports:
            return set()
        rows = await self._database.fetch(query("write_progress"), *zip(*reports, strict=True))
        return {row["job_id"] for row in rows}

    async def write_log(self, lines: Sequence[WrittenLine]) -> Sequence[Row]:
        """Appends lines to the logs of jobs. Rows of id (the line's offset) and job_id, in the
        order of the lines; lines without an offset were not kept."""
        if not lines:
            return []
        return await self._database.fetch(query("write_log"), *zip(*lines, strict=True))

    async def trim_logs(self, ids: Sequence[UUID], lines: int, size: int) -> None:
        """Leaves the last `lines` lines of the logs of these jobs, or `size` bytes of them."""
        await self._database.fetch(query("trim_logs"), ids, lines, size)

    async def read_log(self, job_id: UUID, after: int, limit: int) -> Sequence[Row]:
        """Lines with an offset above `after`: rows of id, attempt, at, text, fields."""
        return await self._database.fetch(query("read_log"), job_id, after, limit)
