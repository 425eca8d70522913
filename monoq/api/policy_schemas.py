"""The shape of a policy in JSON, and its way into values of ours. A field that is wrong is
named."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, ValidationError
from pydantic.alias_generators import to_camel

from monoq.api.problems import Problem, field_errors
from monoq.job import timestamp
from monoq.policy import Policy, Scope, Setting

MAX_JOBS = 1_000_000_000

V = TypeVar("V")


class Until(BaseModel, Generic[V]):
    """A value that ends by itself; from `until` on, `then` holds (null: as if it were not set)."""

    model_config = ConfigDict(extra="forbid")

    value: V
    until: AwareDatetime
    then: V | None = None


Weight = Annotated[float, Field(ge=0.01, le=1000, strict=True)]
Jobs = Annotated[int, Field(ge=0, le=MAX_JOBS, strict=True)]
Rate = Annotated[float, Field(ge=0.001, le=1_000_000, strict=True)]
Burst = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class TypePolicyRequest(_Request):
    """What may limit a job type."""

    max_running: Jobs | Until[Jobs] | None = None
    rate_per_second: Rate | Until[Rate] | None = None
    burst: Burst | Until[Burst] | None = None
    paused: StrictBool | Until[StrictBool] | None = None


class TenantPolicyRequest(TypePolicyRequest):
    """What may be said of a tenant, or of each that has no value of its own."""

    weight: Weight | Until[Weight] | None = None
    max_waiting: Jobs | Until[Jobs] | None = None


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
        raise Problem(422, "the policy is wrong", _named(error)) from None
    fields = request.model_dump(by_alias=True, exclude_none=True)
    policy: dict[str, Setting] = {}
    for name, given in fields.items():
        if isinstance(given, dict):
            if given["until"] <= datetime.now(UTC):
                message = "it is in the past"
                raise Problem(
                    422, "the policy is wrong", [{"field": f"{name}.until", "message": message}]
                )
            then = given.get("then")
            policy[NAMES[name]] = Setting(
                float(given["value"]), given["until"], None if then is None else float(then)
            )
        else:
            policy[NAMES[name]] = Setting(float(given))
    return policy


def _named(error: ValidationError) -> list[dict[str, Any]]:
    """The field alone: that pydantic tried it as a plain value and as one with an end is noise."""
    errors = field_errors(error)
    for one in errors:
        field, *inside = one["field"].split(".")
        keys = [part for part in inside if part in ("value", "until", "then")]
        one["field"] = ".".join([field, *keys])
    with_end = any("until" in one["field"] or "then" in one["field"] for one in errors)
    seen: dict[str, dict[str, Any]] = {}
    for one in errors:
        if with_end or one["message"] != "Input should be a valid dictionary or instance of Until":
            seen.setdefault(one["field"], one)
    return [one for one in seen.values() if "Until[" not in one["message"]] or list(seen.values())


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
