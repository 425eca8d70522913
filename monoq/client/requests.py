"""What the client sends to create a job: by the name of its type, or by its handler, which is typed
by its payload."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypedDict, TypeVar

from monoq import codec
from monoq.app.batch import BatchJob
from monoq.app.context import JobContext
from monoq.app.declared import handler_of
from monoq.job import NewJob

P = TypeVar("P")

# A decorated function keeps its type, so a type checker knows the type of its payload.
Takes = Callable[[P], Any] | Callable[[P, JobContext], Any]
TakesMany = Callable[[list[BatchJob[P]]], Any]
TakesNothing = Callable[[], Any] | Callable[[JobContext], Any]


class JobId(str):
    """The id of a job. `created` is False if it is an earlier one: its idempotency key brought it
    back, or it was replaced."""

    __slots__ = ("created",)
    created: bool

    def __new__(cls, text: str, *, created: bool = True) -> "JobId":
        self = super().__new__(cls, text)
        self.created = created
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _job_id, (str(self), self.created)


def _job_id(text: str, created: bool) -> JobId:
    return JobId(text, created=created)


class SubmitOptions(TypedDict, total=False):
    """What a submit may say besides tenant, type and payload; None is as if it were not said."""

    priority: int | None
    delay_ms: int | None
    run_at: datetime | None
    max_attempts: int | None
    timeout_ms: int | None
    idempotency_key: str | None
    callback_url: str | None
    key: str | None
    tags: Mapping[str, str] | None
    replace: bool


def request_of(
    tenant_id: str,
    job_type: str | Callable[..., Any],
    payload: Any,
    options: SubmitOptions,
) -> dict[str, Any]:
    """A job as POST /jobs takes it. Raises ConfigError for a function that is no handler, TypeError
    for an option that does not exist."""
    if strangers := options.keys() - SubmitOptions.__annotations__.keys():
        raise TypeError(f"submit() has no option {sorted(strangers)[0]!r}")
    if not isinstance(job_type, str):
        handler = handler_of(job_type)
        job_type, payload = handler.name, handler.plain(payload)
    return _without_none(
        {
            "tenantId": tenant_id,
            "type": job_type,
            "payload": {} if payload is None else codec.payload(payload),
            "priority": options.get("priority"),
            "delayMs": options.get("delay_ms"),
            "runAt": options.get("run_at"),
            "maxAttempts": options.get("max_attempts"),
            "timeoutMs": options.get("timeout_ms"),
            "idempotencyKey": options.get("idempotency_key"),
            "callbackUrl": options.get("callback_url"),
            "key": options.get("key"),
            "tags": options.get("tags"),
            "replace": options.get("replace") or None,
        }
    )


def request_of_many(job: NewJob | Mapping[str, Any]) -> dict[str, Any]:
    """One of a batch, as POST /jobs/batch takes it."""
    if not isinstance(job, NewJob):
        asked = dict(job)
        return asked | {"payload": codec.payload(asked["payload"])} if "payload" in asked else asked
    return {"payload": job.payload} | _without_none(
        {
            "tenantId": job.tenant_id,
            "type": job.type,
            "priority": job.priority or None,
            "delayMs": job.delay_ms or None,
            "runAt": job.run_at,
            "maxAttempts": job.max_attempts,
            "timeoutMs": job.timeout_ms,
            "idempotencyKey": job.idempotency_key,
            "callbackUrl": job.callback_url,
            "key": job.key,
            "tags": job.tags,
            "replace": job.replace or None,
        }
    )


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
