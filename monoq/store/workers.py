"""The table `workers`: one method per statement. A lease is judged by Postgres' clock only."""

from collections.abc import Sequence

from monoq.store.database import Queryable, Row, query

WORKER_LOCKS = 0x6D6F6E71  # "monq": the class of the advisory locks that live workers hold on their ids


class WorkerStore:
    """Reads worker rows. A worker's own row is written by its heartbeat, on a connection of its own."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def list_workers(self) -> Sequence[Row]:
        """The workers whose lease is valid."""
        return await self._database.fetch(query("list_workers"))

    async def live_workers_of(self, host: str) -> Sequence[Row]:
        """The ids of this host's workers whose lease is valid."""
        return await self._database.fetch(query("live_workers_of"), host)

    async def prune_claims(self) -> None:
        """Removes what workers without a lease had claimed and do not hold any more."""
        await self._database.fetch(query("prune_claims"))

    async def prune_workers(self) -> None:
        """Removes the rows of workers long gone."""
        await self._database.fetch(query("prune_workers"))
