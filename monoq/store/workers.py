"""The table `workers`: one method per statement. A lease is judged by Postgres' clock only."""

from collections.abc import Sequence

from monoq.store.database import Queryable, Row, query


class WorkerStore:
    """Reads worker rows. A worker's own row is written by its heartbeat, on a connection of its
    own."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def list_workers(self) -> Sequence[Row]:
        """The workers whose lease is valid."""
        return await self._database.fetch(query("list_workers"))

    async def live_workers_of(self, host: str) -> Sequence[Row]:
        """The ids of this host's workers whose lease is valid."""
        return await self._database.fetch(query("live_workers_of"), host)

    async def workers_of_host(self, host: str) -> Sequence[Row]:
        """Rows of id, pid and pid_started: the processes behind the valid leases of a host."""
        return await self._database.fetch(query("list_workers_of_host"), host)

    async def report_dead(self, ids: Sequence[int]) -> None:
        """Ends the leases of workers whose processes are proved to be gone."""
        await self._database.fetch(query("report_dead_workers"), ids)

    async def prune_claims(self) -> None:
        """Removes what workers without a lease had claimed and do not hold any more."""
        await self._database.fetch(query("prune_claims"))

    async def prune_workers(self, kept_s: float) -> None:
        """Removes the rows of workers whose lease ran out more than `kept_s` seconds ago and that
        hold no job."""
        await self._database.fetch(query("prune_workers"), kept_s)
