"""The routes that count: tenants and one tenant's statistics. They must never count rows of history."""

from collections import defaultdict
from collections.abc import Iterable

from pydantic import ValidationError
from quart import Blueprint, request

from monoq.api.problems import Problem, field_errors
from monoq.api.schemas import TenantRequest
from monoq.job import Status
from monoq.store.counts import CountStore
from monoq.store.database import Row

Counts = dict[str, int]


def tenants_blueprint(*, counts: CountStore) -> Blueprint:
    """The routes, over what they need."""
    tenants = Blueprint("tenants", __name__)

    @tenants.get("/tenants")
    async def list_tenants() -> dict[str, object]:
        by_tenant = _by_tenant(await counts.count_jobs(None))
        return {"tenants": [{"id": tenant_id, "counts": counted} for tenant_id, counted in by_tenant.items()]}

    @tenants.get("/stats")
    async def stats() -> dict[str, object]:
        try:
            asked = TenantRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is wrong", field_errors(error)) from None
        by_tenant = _by_tenant(await counts.count_jobs(asked.tenant_id))
        return {"tenantId": asked.tenant_id, "counts": by_tenant[asked.tenant_id]}

    return tenants


def _by_tenant(rows: Iterable[Row]) -> defaultdict[str, Counts]:
    by_tenant: defaultdict[str, Counts] = defaultdict(lambda: dict.fromkeys(Status, 0))
    for row in rows:
        by_tenant[row["tenant_id"]][Status(row["status"])] = row["jobs"]
    return by_tenant
