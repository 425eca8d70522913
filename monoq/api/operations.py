"""The routes of operations: many jobs cancelled or retried by a filter. They must never change a
job themselves."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError
from pydantic.alias_generators import to_camel
from quart import Blueprint, Response, request

from monoq import codec
from monoq.api.problems import FieldErrors, Problem, field_errors
from monoq.api.schemas import Moment, TenantId, TypeName
from monoq.job import Status, timestamp
from monoq.store.database import Row
from monoq.store.operations import STATUSES, Filter, Kind, OperationStore


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class FilterRequest(_Request):
    """Which jobs: those for which all that is said is true."""

    tenant_id: TenantId | None = None
    type: TypeName | None = None
    status: Status | None = None
    error_prefix: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None


class OperationRequest(_Request):
    """The body of POST /jobs/cancel and POST /jobs/retry."""

    filter: FilterRequest
    dry_run: StrictBool = False


class OperationsRequest(_Request):
    """The query of GET /operations: a page of them, newest first."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: UUID | None = None


def operations_blueprint(*, operations: OperationStore) -> Blueprint:
    """The routes, over what they need."""
    blueprint = Blueprint("operations", __name__)

    async def begin(kind: Kind) -> Response:
        asked, jobs = read_operation(codec.loads(await request.get_data()), kind)
        if asked.dry_run:
            matched, is_exact = await operations.count(kind, jobs)
            return _json({"kind": kind, "filter": jobs.json(), **_matched(matched, is_exact)})
        row = await operations.create(kind, jobs)
        answer = _json(_operation_json(row), 202)
        answer.headers["Location"] = f"/operations/{row['id']}"
        return answer

    @blueprint.post("/jobs/cancel")
    async def cancel_jobs() -> Response:
        return await begin(Kind.CANCEL)

    @blueprint.post("/jobs/retry")
    async def retry_jobs() -> Response:
        return await begin(Kind.RETRY)

    @blueprint.get("/operations")
    async def list_operations() -> Response:
        try:
            asked = OperationsRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is invalid", field_errors(error)) from None
        rows = await operations.list(asked.cursor, asked.limit)
        more = len(rows) == asked.limit
        return _json(
            {
                "operations": [_operation_json(row) for row in rows],
                "nextCursor": str(rows[-1]["id"]) if more else None,
            }
        )

    @blueprint.get("/operations/<operation_id>")
    async def get_operation(operation_id: str) -> Response:
        return _json(_operation_json(await _existing(operation_id)))

    @blueprint.post("/operations/<operation_id>/abort")
    @blueprint.delete("/operations/<operation_id>")
    async def abort_operation(operation_id: str) -> Response:
        row = await operations.abort(_id(operation_id))
        if row is None:
            ended = await _existing(operation_id)
            raise Problem(409, f"the operation has ended: it is {ended['state']}")
        return _json(_operation_json(row))

    async def _existing(operation_id: str) -> Row:
        row = await operations.get(_id(operation_id))
        if row is None:
            raise _no_operation(operation_id)
        return row

    return blueprint


def read_operation(body: Any, kind: Kind) -> tuple[OperationRequest, Filter]:
    """The operation that a POST requests; raises Problem 422, which names each bad field."""
    try:
        asked = OperationRequest.model_validate(body)
    except ValidationError as error:
        raise Problem(422, "the operation is invalid", field_errors(error)) from None
    said = asked.filter
    errors: FieldErrors = []
    moments: dict[str, datetime | None] = {}
    for name, moment in (
        ("createdAfter", said.created_after),
        ("createdBefore", said.created_before),
    ):
        try:
            moments[name] = moment and moment.astimezone(UTC)
        except OverflowError:
            errors.append(_error(name, "no calendar has this time"))
    after, before = moments.get("createdAfter"), moments.get("createdBefore")
    if after and before and after >= before:
        errors.append(_error("createdBefore", "it is not after createdAfter"))
    if said.status and said.status not in STATUSES[kind]:
        allowed = " or ".join(STATUSES[kind])
        errors.append(_error("status", f"to {kind} jobs, it must be {allowed}"))
    jobs = Filter(said.tenant_id, said.type, said.status, said.error_prefix, after, before)
    if not errors and not jobs.json():
        message = "say at least one of " + ", ".join(map(to_camel, FilterRequest.model_fields))
        errors.append({"field": "filter", "message": message})
    if errors:
        raise Problem(422, "the operation is invalid", errors)
    return asked, jobs


def _error(field: str, message: str) -> dict[str, Any]:
    return {"field": f"filter.{field}", "message": message}


def _operation_json(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "state": row["state"],
        "filter": orjson.loads(row["filter"]),
        **_matched(row["matched"], row["matched_all"]),
        "done": row["done"],
        "skipped": row["skipped"],
        "createdAt": timestamp(row["created_at"]),
        "finishedAt": timestamp(row["finished_at"]),
        "error": row["error"],
    }


def _matched(matched: int, is_exact: bool) -> dict[str, Any]:
    return {"matched": matched, "matchedIsExact": is_exact}


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _no_operation(text) from None


def _no_operation(text: str) -> Problem:
    return Problem(404, f"there is no operation {text[:100]}")


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, content_type="application/json")
