"""What an operator should know of a Postgres: its settings, its clock, our tables. One method per
statement; it must change nothing."""

import time
from collections.abc import Sequence

from monoq.store.database import Queryable, Row, query

LOOKS = 5


class InspectionStore:
    """Reads Postgres' own views."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def settings(self) -> dict[str, str]:
        """Settings by name, see read_settings.sql."""
        return {
            row["name"]: row["setting"]
            for row in await self._database.fetch(query("read_settings"))
        }

    async def tables(self) -> Sequence[Row]:
        """Rows of name, live, dead, bytes, unattended: of each of our tables."""
        return await self._database.fetch(query("read_tables"))

    async def clock_offset(self) -> tuple[float, float]:
        """By how many seconds the clock of Postgres is ahead of this host's, and how far off that
        may be: half of the shortest round trip of a few."""
        looks = []
        for _ in range(LOOKS):
            before = time.time()
            ((now,),) = await self._database.fetch(query("read_clock"))
            after = time.time()
            looks.append(((after - before) / 2, now - (before + after) / 2))
        unsure_s, offset_s = min(looks)
        return offset_s, unsure_s
