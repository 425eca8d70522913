"""The first reason why a job waits. It must look at a bounded number of rows, however many wait."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from monoq.job import Status, timestamp
from monoq.policy import Scope, most_of
from monoq.store.database import Queryable, Row, query
from monoq.store.workers import POOLS, pool_of

MAX_HOLDERS = 5
MAX_LOOKED_AT = 1000  # jobs that workers took
MAX_AHEAD = 1000
MAX_CHANGES = 100
MAX_TENANTS = 3


class Explained(NamedTuple):
    """The status of a job and, as JSON has it, the first reason why it waits: `code`, and what
    belongs to it."""

    status: Status
    reason: dict[str, Any]


class Explainer:
    """Finds out why jobs wait. `max_share`: the part of a worker that one tenant may hold. Every
    method raises DatabaseUnavailable."""

    def __init__(self, database: Queryable, max_share: float) -> None:
        self._database = database
        self._max_share = max_share

    async def explain(self, job_id: UUID) -> Explained | None:
        """None: there is no such job.

        The reasons, of which the first that is true is given: paused; scheduled or backoff (it is
        not due); key (another job of its key goes first); cap; rate; noWorker; slots; share;
        queued. A job that does not wait has its status.
        """
        job = await self._database.fetchrow(query("explain_job"), job_id)
        if job is None:
            return None
        status = Status(job["status"])
        if status is not Status.PENDING:
            return Explained(status, {"code": "status", "status": status})
        held = await self._database.fetch(query("explain_limits"), job["tenant_id"], job["type"])
        if held and held[0]["held_by"] == "paused":
            return Explained(status, _paused(held[0]))
        if job["not_due"]:
            return Explained(status, _not_due(job))
        if job["holder"]:
            reason = {"code": "key", "key": job["key"], "heldBy": [str(job["holder"])]}
            return Explained(status, reason)
        if held:
            return Explained(status, await self._held(held[0]))
        return Explained(status, await self._reason_of_workers(job_id, job))

    async def _held(self, held: Row) -> dict[str, Any]:
        of = _of(held)
        if held["held_by"] == "rate":
            return {
                "code": "rate",
                **of,
                "ratePerSecond": held["value"],
                "nextStartAt": timestamp(held["next_start_at"]),
            }
        is_tenant = held["scope"] == Scope.TENANT
        rows = await self._database.fetch(
            query("list_cap_holders"),
            held["name"] if is_tenant else None,
            None if is_tenant else held["name"],
            MAX_HOLDERS,
            MAX_LOOKED_AT,
        )
        return {
            "code": "cap",
            **of,
            "maxRunning": _whole(held["value"]),
            "running": held["running"],
            "heldBy": [str(row["id"]) for row in rows],
            "until": timestamp(held["until"]),
        }

    async def _reason_of_workers(self, job_id: UUID, job: Row) -> dict[str, Any]:
        live = await self._database.fetch(query("list_live_workers"))
        able = _places(live, job["type"], job["suspect"])
        places = [place for place in able if not place.worker["draining"]]
        if not places:
            return {
                "code": "noWorker",
                "type": job["type"],
                "liveWorkers": len(live),
                "drainingWorkers": len(able),
            }
        slots = sum(place.size for place in places)
        most = sum(most_of(place.size, self._max_share) for place in places)
        # Never too few, but other workers may run these types as well. Suspects are not counted.
        at_most = slots if job["suspect"] else await self._count_taken(places)
        if at_most < most:
            return await self._place(job_id, job, places)
        taken = await self._database.fetch(
            query("count_taken_slots"), [place.worker["id"] for place in places], MAX_LOOKED_AT
        )
        by_tenant = _taken(places, taken)
        used = looked_at = sum(by_tenant.values())
        if taken and taken[0]["looked_at"] == MAX_LOOKED_AT:
            used = at_most  # more run than were looked at
        if used >= slots:
            return {
                "code": "slots",
                "pool": places[0].pool,
                "slots": slots,
                "running": used,
                "tenants": [
                    {"id": tenant, "running": jobs}
                    for tenant, jobs in by_tenant.most_common(MAX_TENANTS)
                ],
            }
        tenant_id = job["tenant_id"]
        held = by_tenant[tenant_id] * used // max(looked_at, 1)
        if held >= most:
            return {
                "code": "share",
                "pool": places[0].pool,
                "tenantId": tenant_id,
                "slots": slots,
                "maxOfTenant": most,
                "running": held,
            }
        return await self._place(job_id, job, places)

    async def _count_taken(self, places: Sequence["_Place"]) -> int:
        """How many slots are taken, by the counts of types."""
        counted = await self._database.fetch(query("count_types"))
        return sum(
            row["running"]
            for row in counted
            if any(pool_of(one.worker, row["type"], False) == one.pool for one in places)
        )

    async def _place(self, job_id: UUID, job: Row, places: Sequence["_Place"]) -> dict[str, Any]:
        # A tenant's jobs have one order within a pool; suspects of all types share one.
        pools = POOLS if job["suspect"] else {places[0].pool: POOLS[places[0].pool]}
        kinds = {
            kind for place in places for _, types in pools.values() for kind in place.worker[types]
        }
        (counted,) = await self._database.fetch(
            query("count_jobs_ahead"),
            job["tenant_id"],
            sorted(kinds),
            job["suspect"],
            job["priority"],
            job["run_at"],
            job_id,
            MAX_AHEAD,
        )
        (drain,) = await self._database.fetch(query("measure_drain"), job["tenant_id"], MAX_CHANGES)
        ahead, per_s = counted["ahead"], drain["per_s"]
        return {
            "code": "queued",
            "tenantId": job["tenant_id"],
            "place": ahead + 1,
            "placeIsExact": ahead < MAX_AHEAD,
            "estimateSeconds": round((ahead + 1) / per_s, 1) if per_s else None,
        }


class _Place(NamedTuple):
    """A pool of a live worker, in which the job could run."""

    worker: Row
    pool: str

    @property
    def size(self) -> int:
        """How many jobs run in it at once."""
        return int(self.worker[POOLS[self.pool][0]])


def _places(workers: Sequence[Row], job_type: str, suspect: bool) -> list[_Place]:
    places = [_Place(worker, pool_of(worker, job_type, suspect) or "") for worker in workers]
    return [place for place in places if place.pool and place.size > 0]


def _taken(places: Sequence[_Place], rows: Sequence[Row]) -> Counter[str]:
    """How many slots of these places each tenant has."""
    by_worker = {place.worker["id"]: place for place in places}
    taken: Counter[str] = Counter()
    for row in rows:
        place = by_worker[row["worker_id"]]
        if pool_of(place.worker, row["type"], row["suspect"]) == place.pool:
            taken[row["tenant_id"]] += row["jobs"]
    return taken


def _of(held: Row) -> dict[str, Any]:
    return {"scope": held["scope"], "name": held["name"], "policyOf": held["whose"]}


def _paused(held: Row) -> dict[str, Any]:
    return {"code": "paused", **_of(held), "until": timestamp(held["until"])}


def _not_due(job: Row) -> dict[str, Any]:
    run_at: datetime = job["run_at"]
    if job["attempts"] > 0 and job["error"] is not None:
        return {
            "code": "backoff",
            "until": timestamp(run_at),
            "attempts": job["attempts"],
            "error": job["error"],
        }
    return {"code": "scheduled", "until": timestamp(run_at)}


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
