"""The routes that count: tenants and one tenant's statistics. They must never count rows of
history."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable

from pydantic import ValidationError
from quart import Blueprint, request

from monoq.api.problems import Problem, field_errors
from monoq.api.schemas import StatsRequest, TenantsRequest
from monoq.changes.vacuum import Held
from monoq.job import Status
from monoq.store.counts import CountStore
from monoq.store.database import Row

Counts = dict[str, int]


def tenants_blueprint(*, counts: CountStore, vacuum_held: Callable[[], Held | None]) -> Blueprint:
    """The routes, over what they need."""
    tenants = Blueprint("tenants", __name__)

    @tenants.get("/tenants")
    async def list_tenants() -> dict[str, object]:
        try:
            query = TenantsRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is wrong", field_errors(error)) from None
        counted = _by_tenant(await counts.count_page(query.cursor, query.limit + 1))
        page = dict(list(counted.items())[: query.limit])
        names = list(page)
        oldest = await counts.oldest_waiting(names[0], names[-1]) if names else {}
        return {
            "tenants": [
                {"id": name, "counts": jobs, "oldestWaitingSeconds": _seconds(oldest.get(name))}
                for name, jobs in page.items()
            ],
            "nextCursor": names[-1] if len(counted) > query.limit else None,
        }

    @tenants.get("/stats")
    async def stats() -> dict[str, object]:
        try:
            query = StatsRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is wrong", field_errors(error)) from None
        if (tenant_id := query.tenant_id) is None:
            jobs, oldest_s = await asyncio.gather(counts.sum_counts(), counts.oldest_of_all())
            return {
                "counts": dict.fromkeys(Status, 0) | jobs,
                "oldestWaitingSeconds": _seconds(oldest_s),
                "vacuumHeldBy": _held(vacuum_held()),
            }
        counted, oldest = await asyncio.gather(
            counts.count_jobs(tenant_id), counts.oldest_waiting(tenant_id, tenant_id)
        )
        return {
            "tenantId": tenant_id,
            "counts": _by_tenant(counted)[tenant_id],
            "oldestWaitingSeconds": _seconds(oldest.get(tenant_id)),
        }

    return tenants


def _held(held: Held | None) -> dict[str, object] | None:
    """None: nobody holds VACUUM back."""
    if held is None:
        return None
    return {"kind": held.kind, "holder": held.holder, "seconds": round(held.age_s, 1)}


def _seconds(waited: float | None) -> float | None:
    """None: no due job waits."""
    return None if waited is None else round(waited, 3)


def _by_tenant(rows: Iterable[Row]) -> defaultdict[str, Counts]:
    by_tenant: defaultdict[str, Counts] = defaultdict(lambda: dict.fromkeys(Status, 0))
    for row in rows:
        by_tenant[row["tenant_id"]][Status(row["status"])] = row["jobs"]
    return by_tenant
