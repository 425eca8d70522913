"""The shapes of requests, and their way into values of ours. A field that is wrong must be named; nothing is guessed or coerced."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from monoq.api.problems import FieldErrors, field_errors
from monoq.errors import InvalidJob, InvalidJson
from monoq.job import TENANT_PATTERN, TYPE_PATTERN, NewJob, Status
from monoq.registry import App

MAX_BATCH = 10_000
MAX_DELAY_MS = 366 * 86_400_000

TenantId = Annotated[str, StringConstraints(pattern=TENANT_PATTERN)]
TypeName = Annotated[str, StringConstraints(pattern=TYPE_PATTERN)]
Integer = Annotated[int, Field(strict=True)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class JobRequest(_Request):
    """A job to create, as in POST /jobs."""

    tenant_id: TenantId
    type: TypeName
    payload: Any = Field(default_factory=dict)
    priority: Annotated[Integer, Field(ge=-100, le=100)] = 0
    delay_ms: Annotated[Integer, Field(ge=0, le=MAX_DELAY_MS)] | None = None
    run_at: AwareDatetime | None = None
    max_attempts: Annotated[Integer, Field(ge=1, le=1000)] | None = None
    timeout_ms: Annotated[Integer, Field(ge=1, le=86_400_000)] | None = None
    idempotency_key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")] | None = None

    @model_validator(mode="after")
    def _one_time_only(self) -> "JobRequest":
        if self.delay_ms is not None and self.run_at is not None:
            raise ValueError("delayMs and runAt exclude one another")
        return self


class BatchRequest(_Request):
    """Jobs to create at once, all or none."""

    jobs: Annotated[list[JobRequest], Field(min_length=1, max_length=MAX_BATCH)]


class ListRequest(_Request):
    """The query of GET /jobs."""

    tenant_id: TenantId
    status: Status | None = None
    type: TypeName | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: UUID | None = None


class StatsRequest(_Request):
    """The query of GET /stats: about one tenant, or all together."""

    tenant_id: TenantId | None = None


_JOB = TypeAdapter(JobRequest)
_BATCH = TypeAdapter(BatchRequest)


def read_job(body: Any, header_key: str | None, app: App, accept_unknown: bool) -> NewJob:
    """The job of a POST /jobs; raises InvalidJob."""
    try:
        if header_key is not None and isinstance(body, dict):
            body = {"idempotencyKey": header_key} | body
        request = _JOB.validate_python(body)
    except ValidationError as error:
        raise InvalidJob(field_errors(error)) from None
    errors: FieldErrors = []
    job = _new_job(request, app, accept_unknown, errors, ())
    if job is None:
        raise InvalidJob(errors)
    return job


def read_batch(body: Any, app: App, accept_unknown: bool) -> list[NewJob]:
    """The jobs of a POST /jobs/batch; raises InvalidJob, which names the bad ones by their index."""
    try:
        requests = _BATCH.validate_python(body).jobs
    except ValidationError as error:
        raise InvalidJob(field_errors(error)) from None
    errors: FieldErrors = []
    jobs = [_new_job(request, app, accept_unknown, errors, ("jobs", index)) for index, request in enumerate(requests)]
    if errors:
        raise InvalidJob(errors)
    return [job for job in jobs if job is not None]


def _new_job(request: JobRequest, app: App, accept_unknown: bool, errors: FieldErrors, prefix: tuple[str | int, ...]) -> NewJob | None:
    handler = app.get(request.type)
    if handler is None and not accept_unknown:
        known = ", ".join(sorted(app.handlers))
        errors.append({"field": ".".join(map(str, (*prefix, "type"))), "message": f"no handler for {request.type!r}; known: {known}"})
        return None
    try:
        job = NewJob(
            tenant_id=request.tenant_id,
            type=request.type,
            payload=request.payload,
            priority=request.priority,
            run_at=request.run_at,
            delay_ms=request.delay_ms or 0,
            max_attempts=request.max_attempts or (handler.max_attempts if handler else None),
            timeout_ms=request.timeout_ms,
            idempotency_key=request.idempotency_key,
        )
        if handler and handler.takes_payload:
            handler.parse(job.payload_json)
    except InvalidJson as error:
        errors.append({"field": ".".join(map(str, (*prefix, "payload"))), "message": str(error)})
    except ValidationError as error:
        errors.extend(field_errors(error, (*prefix, "payload")))
    else:
        return job
    return None
