"""The client's calls about the whole system: tenants, types, workers, counts, and whether it
works."""

from datetime import datetime
from typing import Any, Literal, cast

from monoq.client.calls import Calls
from monoq.client.shapes import Health, History, JobType, Stats, Worker


class SystemCalls(Calls):
    """Reads counts, types, workers and health, and drains workers."""

    async def tenants(
        self,
        *,
        sort: Literal["tenant", "backlog", "running", "oldest"] = "tenant",
        order: Literal["asc", "desc"] | None = None,
        prefix: str = "",
        limit: int = 1000,
        cursor: str = "",
    ) -> dict[str, Any]:
        """A page of tenants with their numbers.

        Args:
            sort: By name, or by a number: then the greatest first.
            order: The other way round, if it is "asc" for a number or "desc" for names.
            prefix: What their names begin with.
            limit: At most so many, 1 to 1,000.
            cursor: `nextCursor` of the page before.

        >>> [one["id"] for one in (await client.tenants(sort="backlog", limit=10))["tenants"]]
        """
        return await self._get(
            "/tenants", sort=sort, order=order, prefix=prefix, limit=limit, cursor=cursor
        )

    async def stats(self, tenant_id: str | None = None) -> Stats:
        """How many jobs have which status, of a tenant or of all, and for how many seconds the one
        that waits longest has been due.

        >>> (await client.stats("acme"))["counts"]["PENDING"]
        """
        return cast(Stats, await self._get("/stats", tenantId=tenant_id))

    async def history(
        self,
        tenant_id: str | None = None,
        *,
        type: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        step: int | None = None,
    ) -> History:
        """What happened: jobs per minute or hour, and how long they waited and ran.

        Args:
            tenant_id: Whose jobs; None: all.
            type: Only those of this type.
            start: From when on, with a time zone; an hour before `end` without.
            end: Until when; now without.
            step: Seconds of a point, from 60 on; without, what gives 300 points at most.

        >>> [point["completed"] for point in (await client.history("acme"))["points"]]
        """
        query = {
            "tenantId": tenant_id,
            "type": type,
            "from": start and start.isoformat(),
            "to": end and end.isoformat(),
            "step": step,
        }
        return cast(History, await self._get("/stats/history", **query))

    async def types(self) -> list[JobType]:
        """The job types that the server knows, with the JSON schemas of their payloads.

        >>> [one["name"] for one in await client.types()]
        """
        return cast(list[JobType], (await self._get("/types"))["types"])

    async def workers(self) -> list[Worker]:
        """The live workers, with what they run.

        >>> sum(worker["pools"]["loop"]["used"] for worker in await client.workers())
        """
        return cast(list[Worker], (await self._get("/workers"))["workers"])

    async def drain_worker(self, worker_id: int) -> Worker:
        """Stops a worker from claiming jobs; its running jobs go on. Returns it. RequestRefused
        with status 404: no live worker has this id.

        >>> (await client.drain_worker(7))["running"]
        """
        return cast(Worker, await self._send("POST", f"/workers/{worker_id}/drain", {}))

    async def resume_worker(self, worker_id: int) -> Worker:
        """Lets a worker that drains claim jobs again; returns it. RequestRefused with status 404:
        no live worker has this id.

        >>> (await client.resume_worker(7))["draining"]
        """
        return cast(Worker, await self._send("POST", f"/workers/{worker_id}/resume", {}))

    async def breakers(self) -> dict[str, Any]:
        """The endpoints of webhooks that are, or lately were, dead: `open` says how many,
        `breakers` which and why.

        >>> [one["endpoint"] for one in (await client.breakers())["breakers"]]
        """
        return await self._get("/breakers")

    async def health(self) -> Health:
        """Whether the server works. RequestRefused with status 503: it does not.

        >>> (await client.health())["status"]
        """
        return cast(Health, await self._get("/health"))
