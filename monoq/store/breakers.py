"""The table `breakers`: what each worker knows of endpoints that were dead. One method per
statement."""

from collections.abc import Sequence
from typing import NamedTuple

from monoq.store.database import Queryable, Row, query


class BreakerRow(NamedTuple):
    """A breaker of a worker: for how many seconds it is in this state, and in how many its next
    probe is due."""

    endpoint: str
    state: str
    since_s: float
    reason: str
    probe_in_s: float


class BreakerStore:
    """Reads and writes breakers. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def write(self, worker_id: int, breakers: Sequence[BreakerRow]) -> None:
        """Makes these the breakers of a worker, and removes those of workers that are gone."""
        columns = (list(column) for column in zip(*breakers, strict=True)) if breakers else [[]] * 5
        await self._database.fetch(query("write_breakers"), worker_id, *columns)

    async def list(self, limit: int) -> Sequence[Row]:
        """The breakers of live workers, those that are not closed first: endpoint, state, since,
        reason, next_probe_at, worker_id."""
        return await self._database.fetch(query("list_breakers"), limit)
