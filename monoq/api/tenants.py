"""The routes that count: tenants and one tenant's statistics. They must never count rows of
history."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from quart import Blueprint, request

from monoq.api.oldest import OldestTenants
from monoq.api.policy_schemas import policy_json
from monoq.api.problems import Problem, field_errors
from monoq.api.schemas import StatsRequest, TenantsRequest
from monoq.changes.vacuum import Held
from monoq.job import Status
from monoq.store.counts import CountStore
from monoq.store.tenants import Tenant, TenantStore, counts_by_tenant

Value = TypeVar("Value", int, float)


def tenants_blueprint(
    *,
    counts: CountStore,
    store: TenantStore,
    oldest: OldestTenants,
    vacuum_held: Callable[[], Held | None],
) -> Blueprint:
    """The routes, over what they need."""
    tenants = Blueprint("tenants", __name__)

    @tenants.get("/tenants")
    async def list_tenants() -> dict[str, object]:
        try:
            asked = TenantsRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is invalid", field_errors(error)) from None
        names, cursor = await page(asked)
        return {
            "tenants": [_tenant_json(tenant) for tenant in await store.read(names)],
            "nextCursor": cursor,
        }

    async def page(asked: TenantsRequest) -> tuple[Sequence[str], str | None]:
        more, prefix = asked.limit + 1, asked.prefix
        if asked.sort == "tenant":
            backwards = asked.order == "desc"
            names = await store.by_name(prefix, asked.cursor or None, backwards, more)
            return names[: asked.limit], names[asked.limit - 1] if len(names) == more else None
        places: Sequence[tuple[float, str]]
        if asked.sort == "oldest":
            after = _place(asked.cursor, float)
            # the longest-waiting tenant is first: the greatest age, and the earliest moment
            places = await oldest.page(prefix, after, asked.order == "asc", more)
        else:
            backwards = asked.order != "asc"
            place = _place(asked.cursor, int)
            places = await store.by_number(asked.sort, prefix, place, backwards, more)
        cursor = None
        if len(places) == more:
            number, name = places[asked.limit - 1]
            cursor = f"{number!r}~{name}"
        return [name for _, name in places[: asked.limit]], cursor

    @tenants.get("/stats")
    async def stats() -> dict[str, object]:
        try:
            query = StatsRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is invalid", field_errors(error)) from None
        if (tenant_id := query.tenant_id) is None:
            jobs, oldest_s = await asyncio.gather(counts.sum_counts(), counts.oldest_of_all())
            return {
                "counts": dict.fromkeys(Status, 0) | jobs,
                "oldestWaitingSeconds": _seconds(oldest_s),
                "vacuumHeldBy": _held(vacuum_held()),
            }
        counted, waited = await asyncio.gather(
            counts.count_jobs(tenant_id), counts.oldest_waiting(tenant_id)
        )
        return {
            "tenantId": tenant_id,
            "counts": counts_by_tenant(counted)[tenant_id],
            "oldestWaitingSeconds": _seconds(waited.get(tenant_id)),
        }

    return tenants


def _held(held: Held | None) -> dict[str, object] | None:
    """None: nothing holds VACUUM back."""
    if held is None:
        return None
    return {"kind": held.kind, "holder": held.holder, "seconds": round(held.age_s, 1)}


def _place(cursor: str, number: type[Value]) -> tuple[Value, str] | None:
    """Where the last page ended; raises Problem 422 for what is no cursor of this order."""
    if not cursor:
        return None
    text, mark, name = cursor.partition("~")
    try:
        place = number(text)
        if mark and abs(place) < 2**63:
            return place, name
    except ValueError:
        pass
    message = "it is not the nextCursor of a page in this order"
    raise Problem(422, "the query is invalid", [{"field": "cursor", "message": message}])


def _tenant_json(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "counts": tenant.counts,
        "backlog": tenant.counts[Status.PENDING],
        "running": tenant.counts[Status.RUNNING],
        "oldestWaitingSeconds": _seconds(tenant.oldest_waiting_s),
        "weight": tenant.weight,
        "weightShare": round(tenant.weight_share, 6),
        "runningShare": round(tenant.running_share, 6),
        "heldBy": tenant.held_by,
        "policy": policy_json(tenant.policy),
    }


def _seconds(waited: float | None) -> float | None:
    """None: no due job waits."""
    return None if waited is None else round(waited, 3)
