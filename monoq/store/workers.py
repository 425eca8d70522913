"""The table `workers`: one method per statement. A lease is judged by Postgres' clock only."""

from collections.abc import Sequence

from monoq.store.database import Queryable, Row, query

# A pool of a worker: what its size is called, and the types that run in it.
POOLS = {
    "loop": ("slots", "loop_types"),
    "threads": ("threads", "thread_types"),
    "children": ("children", "child_types"),
}


class WorkerStore:
    """Reads worker rows. A worker's own row is written by its heartbeat, on a connection of its
    own."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def list_workers(self) -> Sequence[Row]:
        """The workers that take jobs: their lease is valid, and they do not drain."""
        return await self._database.fetch(query("list_workers"))

    async def list_live_workers(self) -> Sequence[Row]:
        """The workers whose lease is valid, those that drain included."""
        return await self._database.fetch(query("list_live_workers"))

    async def drain(self, worker_id: int, draining: bool) -> Row | None:
        """Stops a worker from claiming jobs, or lets it claim again. Returns its row as
        list_live_workers does, None if no live worker has this id."""
        return await self._database.fetchrow(query("drain_worker"), worker_id, draining)

    async def runs(self, workers: Sequence[Row], most: int) -> tuple[dict[int, list[Row]], bool]:
        """What each of these rows of list_live_workers runs, by its id: rows of type, suspect and
        jobs. And whether that is all: it looks at the `most` jobs that they took last."""
        ids = [worker["id"] for worker in workers]
        rows = await self._database.fetch(query("count_taken_slots"), ids, most)
        by_worker: dict[int, list[Row]] = {worker_id: [] for worker_id in ids}
        for row in rows:
            by_worker[row["worker_id"]].append(row)
        return by_worker, not rows or rows[0]["looked_at"] < most

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


def pool_of(worker: Row, job_type: str, suspect: bool) -> str | None:
    """Where a worker runs a job; None: it cannot. A suspect runs in a child, whatever its type."""
    for pool, (_, types) in POOLS.items():
        if job_type in worker[types]:
            return "children" if suspect else pool
    return None
