"""The routes that count: tenants and one tenant's statistics. They must never count rows of
history."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from pydantic import ValidationError
from quart import Blueprint, request

from monoq.api.problems import Problem, field_errors
from monoq.api.schemas import StatsRequest, TenantsRequest
from monoq.job import Status
from monoq.store.counts import CountStore
from monoq.store.database import Row

Counts = dict[str, int]


def tenants_blueprint(*, counts: CountStore) -> Blueprint:
    """The routes, over what they need."""
    tenants = Blueprint("tenants", __name__)

    @tenants.get("/tenants")
    async def list_tenants() -> dict[str, object]:
        try:
            query = TenantsRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is wrong", field_errors(error)) from None
        if query.sort == "name":
            found = await counts.find_tenants(query.cursor, query.limit + 1, query.search)
            names = found[: query.limit]
            if not names:
                return {"tenants": [], "nextCursor": None}
            find_oldest = counts.oldest_waiting(names[0], names[-1])
        else:
            status = Status(query.sort.upper())
            found = names = await counts.rank_tenants(status, query.limit, query.search)
            find_oldest = counts.oldest_waiting_of(names)
        counted, oldest, limits = await asyncio.gather(
            counts.count_jobs(names), find_oldest, counts.limits(names)
        )
        by_tenant = _by_tenant(counted)
        return {
            "tenants": [
                {
                    "id": name,
                    "counts": by_tenant[name],
                    "oldestWaitingSeconds": _seconds(oldest.get(name)),
                    "limits": _limits_json(limits.get(name)),
                }
                for name in names
            ],
            "nextCursor": names[-1] if len(found) > query.limit else None,
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
            }
        counted, oldest = await asyncio.gather(
            counts.count_jobs([tenant_id]), counts.oldest_waiting(tenant_id, tenant_id)
        )
        return {
            "tenantId": tenant_id,
            "counts": _by_tenant(counted)[tenant_id],
            "oldestWaitingSeconds": _seconds(oldest.get(tenant_id)),
        }

    return tenants


def _seconds(waited: float | None) -> float | None:
    """None: no due job waits."""
    return None if waited is None else round(waited, 3)


def _limits_json(row: Row | None) -> dict[str, object] | None:
    """None: nothing limits what may start."""
    if row is None:
        return None
    cap = row["max_running"]
    return {
        "paused": row["paused"],
        "maxRunning": None if cap is None else int(cap),
        "ratePerSecond": row["rate"],
        "heldBy": row["held_by"],
    }


def _by_tenant(rows: Iterable[Row]) -> defaultdict[str, Counts]:
    by_tenant: defaultdict[str, Counts] = defaultdict(lambda: dict.fromkeys(Status, 0))
    for row in rows:
        by_tenant[row["tenant_id"]][Status(row["status"])] = row["jobs"]
    return by_tenant
