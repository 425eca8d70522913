"""The shapes of requests, and their conversion into monoq's values. An error must name its field;
nothing is guessed or coerced."""

import re
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Literal, NotRequired

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    with_config,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from monoq import codec
from monoq.api.known_types import KnownTypes
from monoq.api.problems import field_errors
from monoq.errors import InvalidJob, InvalidJson, RefusedUrl, UnknownType
from monoq.job import RERUN_OF, TAG_PATTERN, TENANT_PATTERN, TYPE_PATTERN, NewJob

MAX_BATCH = 10_000
MAX_TAGS = 8
MAX_DELAY_MS = 366 * 86_400_000
A_JOB = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# with a place behind it (":9999") a key like any other
BATCH_KEY = re.compile(r"[\x21-\x7e]{1,195}")
KEY = re.compile(r"[\x21-\x7e]{1,200}")

TenantId = Annotated[str, StringConstraints(pattern=TENANT_PATTERN)]
TypeName = Annotated[str, StringConstraints(pattern=TYPE_PATTERN)]
TagName = Annotated[str, StringConstraints(pattern=TAG_PATTERN)]
TagValue = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=256)
]
Integer = Annotated[int, Field(strict=True)]


def _moment(value: Any) -> Any:
    """Of itself pydantic takes a number, too, as a time in 1970."""
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value):
        return value
    raise PydanticCustomError("moment", "it must be a time like 2027-01-31T12:00:00Z")


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


NOT_BOTH: JsonDict = {  # said by _new_job
    "not": {
        "required": ["delayMs", "runAt"],
        "properties": {"delayMs": {"type": "integer"}, "runAt": {"type": "string"}},
    }
}


# Jobs come in by the thousand: a dict that is checked costs a third of a model that is built.
@with_config(ConfigDict(extra="forbid", json_schema_extra=NOT_BOTH))
class JobRequest(TypedDict):
    """A job to create, as in POST /jobs."""

    tenantId: TenantId
    type: TypeName
    payload: NotRequired[Any]
    priority: NotRequired[Annotated[Integer, Field(ge=-100, le=100)]]
    delayMs: NotRequired[Annotated[Integer, Field(ge=0, le=MAX_DELAY_MS)] | None]
    runAt: NotRequired[Moment | None]
    maxAttempts: NotRequired[Annotated[Integer, Field(ge=1, le=1000)] | None]
    timeoutMs: NotRequired[Annotated[Integer, Field(ge=1, le=86_400_000)] | None]
    idempotencyKey: NotRequired[
        Annotated[str, StringConstraints(pattern=f"^{KEY.pattern}$")] | None
    ]
    callbackUrl: NotRequired[str | None]
    key: NotRequired[Annotated[str, Field(min_length=1, max_length=256)] | None]
    replace: NotRequired[bool]
    tags: NotRequired[Annotated[dict[TagName, TagValue], Field(max_length=MAX_TAGS)] | None]


@with_config(ConfigDict(extra="forbid"))
class BatchRequest(TypedDict):
    """Jobs to create at once, all or none."""

    jobs: Annotated[list[JobRequest], Field(min_length=1, max_length=MAX_BATCH)]


class LogRequest(_Request):
    """The query of GET /jobs/{id}/log: lines after an offset, oldest first."""

    after: Annotated[int, Field(ge=0, le=2**62)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


class StatsRequest(_Request):
    """The query of GET /stats: about one tenant, or all together."""

    tenant_id: TenantId | None = None


class TenantsRequest(_Request):
    """The query of GET /tenants: a page of tenants, behind `cursor`. By name, or by a number, the
    greatest first."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 1000
    cursor: Annotated[str, Field(max_length=160, pattern=r"^[A-Za-z0-9_.:@~+-]*$")] = ""
    sort: Literal["tenant", "backlog", "running", "oldest"] = "tenant"
    order: Literal["asc", "desc"] | None = None
    prefix: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_.:@-]*$")] = ""


class ScalingRequest(_Request):
    """The query of GET /scaling."""

    target_wait_seconds: Annotated[float, Field(ge=0.1, le=86_400, allow_inf_nan=False)] = 10.0


class Errors(list[dict[str, Any]]):
    """What is wrong with a request, as FieldErrors, and whether a type is unknown."""

    unknown_type = False


_JOB = TypeAdapter(JobRequest)
_BATCH = TypeAdapter(BatchRequest)


@dataclass(frozen=True)
class Terms:
    """What a job must fit: the types that are known; and what checks a URL, which raises
    RefusedUrl."""

    types: KnownTypes
    check_url: Callable[[str], object]


def read_job(body: Any, header_key: str | None, terms: Terms) -> NewJob:
    """The job of a POST /jobs; raises InvalidJob, UnknownType if the type is not registered."""
    if header_key is not None:
        _check_key(header_key, KEY)
    try:
        if header_key is not None and isinstance(body, dict):
            body = {"idempotencyKey": header_key} | body
        request = _JOB.validate_python(body)
    except ValidationError as error:
        raise InvalidJob(field_errors(error)) from None
    errors = Errors()
    job = _new_job(request, terms, errors, ())
    if job is None:
        raise _refused(errors)
    return job


def read_batch(body: Any, header_key: str | None, terms: Terms) -> list[NewJob]:
    """The jobs of a POST /jobs/batch; raises InvalidJob, which names bad ones by their index;
    UnknownType if one of the types is not registered."""
    if header_key is not None:
        _check_key(header_key, BATCH_KEY)
    try:
        requests = deque(_BATCH.validate_python(body)["jobs"])
    except ValidationError as error:
        raise InvalidJob(field_errors(error)) from None
    del body
    errors = Errors()
    besides: list[str | None] = (
        [None] * len(requests) if header_key is None else _key_jobs(requests, header_key)
    )
    jobs: list[NewJob | None] = []
    # each is let go when its job is made: objects can be ten times as large as their text
    while requests:
        place = len(jobs)
        jobs.append(_new_job(requests.popleft(), terms, errors, ("jobs", place), besides[place]))
    if errors:
        raise _refused(errors)
    return [job for job in jobs if job is not None]


def _check_key(header_key: str, form: re.Pattern[str]) -> None:
    if not form.fullmatch(header_key):
        message = f"it must match {form.pattern}"
        raise InvalidJob([{"field": "Idempotency-Key", "message": message}])


def _key_jobs(requests: Collection[JobRequest], header_key: str) -> list[str | None]:
    """Gives each job without a key of its own one that is made of the batch's key and its place.
    Returns, for these, what makes the batch another one though the job is the same: how many jobs
    there are, and whose."""
    batch = blake2b(
        " ".join(request["tenantId"] for request in requests).encode(), digest_size=16
    ).hexdigest()
    besides: list[str | None] = []
    for index, request in enumerate(requests):
        has_own = request.get("idempotencyKey") is not None
        besides.append(None if has_own else batch)
        if not has_own:
            request["idempotencyKey"] = f"{header_key}:{index}"
    return besides


def _new_job(
    request: JobRequest,
    terms: Terms,
    errors: Errors,
    prefix: tuple[str | int, ...],
    besides: str | None = None,
) -> NewJob | None:
    """None if it is refused; `errors` gets the reason."""
    types = terms.types
    handler = types.handler(request["type"])
    callback_url = request.get("callbackUrl")
    run_at, delay_ms = request.get("runAt"), request.get("delayMs")
    tags = request.get("tags") or None
    if handler is None and (message := types.refusal(request["type"])):
        errors.unknown_type = True
        errors.append(_refusal(prefix, "type", message))
    elif request.get("replace") and request.get("key") is None:
        errors.append(_refusal(prefix, "replace", "it needs a key"))
    elif request.get("replace") and request.get("idempotencyKey") is not None:
        errors.append(_refusal(prefix, "replace", "it excludes an idempotencyKey"))
    elif run_at is not None and delay_ms is not None:
        errors.append(_refusal(prefix, "runAt", "delayMs and runAt exclude one another"))
    elif tags and RERUN_OF in tags and not A_JOB.fullmatch(tags[RERUN_OF]):
        errors.append(_refusal(prefix, f"tags.{RERUN_OF}", "it must be the id of a job"))
    else:
        payload: Any = request.get("payload", {})
        try:
            if callback_url is not None:
                terms.check_url(callback_url)
            job = NewJob(
                request["tenantId"],
                request["type"],
                payload,
                request.get("priority", 0),
                run_at,
                delay_ms or 0,
                request.get("maxAttempts"),
                request.get("timeoutMs"),
                request.get("idempotencyKey"),
                callback_url,
                request.get("key"),
                request.get("replace", False),
                tags=tags,
                default_attempts=handler.max_attempts if handler else None,
                also_hashed=besides,
                written_payload=codec.dumps_loaded(payload),
            )
            if handler is None and (
                found := types.refusals(job.type, payload, (*prefix, "payload"))
            ):
                errors.extend(found)
                return None
            if handler and handler.payload:
                handler.parse(job.payload_json)
            job.forget_payload()
            return job
        except RefusedUrl as error:
            errors.append(_refusal(prefix, "callbackUrl", str(error)))
        except InvalidJson as error:
            errors.append(_refusal(prefix, "payload", str(error)))
        except ValidationError as error:
            errors.extend(field_errors(error, (*prefix, "payload")))
    return None


def _refused(errors: Errors) -> InvalidJob:
    return UnknownType(errors) if errors.unknown_type else InvalidJob(errors)


def _refusal(prefix: tuple[str | int, ...], field: str, message: str) -> dict[str, str]:
    return {"field": ".".join(map(str, (*prefix, field))), "message": message}
