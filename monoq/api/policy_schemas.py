"""The shape of a policy in JSON, and its conversion into monoq's values. An invalid field is
named."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError
from pydantic.alias_generators import to_camel

from monoq.api.problems import FieldErrors, Problem
from monoq.api.schemas import Moment
from monoq.job import timestamp
from monoq.policy import Policy, Scope, Setting

MAX_JOBS = 1_000_000_000

V = TypeVar("V")


class Until(BaseModel, Generic[V]):
    """A value that ends by itself; from `until` on, `then` holds (null: as if it were not set)."""

    model_config = ConfigDict(extra="forbid")

    value: V
    until: Moment
    then: V | None = None


Weight = Annotated[float, Field(ge=0.01, le=1000, strict=True)]
Jobs = Annotated[int, Field(ge=0, le=MAX_JOBS, strict=True)]
Rate = Annotated[float, Field(ge=0.001, le=1_000_000, strict=True)]
Burst = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


# Named, for GET /openapi.json.
class UntilWeight(Until[Weight]):
    """A weight that ends by itself; from `until` on, `then` holds."""


class UntilJobs(Until[Jobs]):
    """A number of jobs that ends by itself; from `until` on, `then` holds."""


class UntilRate(Until[Rate]):
    """A rate that ends by itself; from `until` on, `then` holds."""


class UntilBurst(Until[Burst]):
    """A burst that ends by itself; from `until` on, `then` holds."""


class UntilPaused(Until[StrictBool]):
    """A pause that ends by itself; from `until` on, `then` holds."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class TypePolicyRequest(_Request):
    """What may limit a job type."""

    max_running: Jobs | UntilJobs | None = None
    rate_per_second: Rate | UntilRate | None = None
    burst: Burst | UntilBurst | None = None
    paused: StrictBool | UntilPaused | None = None


class TenantPolicyRequest(TypePolicyRequest):
    """What may be said of a tenant, or of each that has no value of its own."""

    weight: Weight | UntilWeight | None = None
    max_waiting: Jobs | UntilJobs | None = None


# The names that a field has in JSON and in Postgres.
NAMES = {
    "weight": "weight",
    "maxRunning": "max_running",
    "ratePerSecond": "rate",
    "burst": "burst",
    "maxWaiting": "max_waiting",
    "paused": "paused",
}


def read_policy(body: Any, scope: Scope) -> Policy:
    """The policy of a PUT; raises Problem 422, which names each bad field."""
    shape = TypePolicyRequest if scope is Scope.TYPE else TenantPolicyRequest
    try:
        request = shape.model_validate(body)
    except ValidationError as error:
        raise Problem(422, "the policy is invalid", _named(error, body)) from None
    policy: dict[str, Setting] = {}
    for name, given in request.model_dump(by_alias=True, exclude_none=True).items():
        if isinstance(given, dict):
            then = given.get("then")
            policy[NAMES[name]] = Setting(
                float(given["value"]),
                _end(name, given["until"]),
                None if then is None else float(then),
            )
        else:
            policy[NAMES[name]] = Setting(float(given))
    return policy


def _end(name: str, until: datetime) -> datetime:
    """In UTC; raises Problem 422 for a time that has passed, or that no calendar has."""
    try:
        until = until.astimezone(UTC)
    except OverflowError:
        message = "it is beyond the year 9999"
    else:
        if until > datetime.now(UTC):
            return until
        message = "it is in the past"
    raise Problem(422, "the policy is invalid", [{"field": f"{name}.until", "message": message}])


def _named(error: ValidationError, body: Any) -> FieldErrors:
    """The errors of the form that was given, a plain value or one that expires: pydantic reports
    both."""
    errors: FieldErrors = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        field, form, *inside = [*map(str, problem["loc"]), "", ""][: max(len(problem["loc"]), 2)]
        has_end = form.startswith("Until")
        if form and has_end != isinstance(body[field], dict):
            continue
        message = problem["msg"].removeprefix("Value error, ")
        errors.append({"field": ".".join([field, *inside]), "message": message})
    return errors


def policy_json(policy: Policy) -> dict[str, Any]:
    """A policy as PUT takes it."""
    shown: dict[str, Any] = {}
    for name, field in NAMES.items():
        if setting := policy.get(field):
            value = shown_value(name, setting.value)
            if setting.until is None:
                shown[name] = value
            else:
                shown[name] = {
                    "value": value,
                    "until": timestamp(setting.until),
                    "then": shown_value(name, setting.afterwards),
                }
    return shown


def shown_value(name: str, value: float | None) -> Any:
    """A value as JSON has it."""
    if value is None:
        return None
    if name == "paused":
        return value > 0
    return value if name in ("weight", "ratePerSecond") else int(value)
