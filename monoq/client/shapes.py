"""What the HTTP and WebSocket contracts answer, as types. The names are those of the JSON."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # pydantic reads these for GET /openapi.json

StatusName = Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]


class Attempt(TypedDict):
    """One failed run. `at`: RFC 3339, UTC."""

    attempt: int
    error: str
    at: str
    workerId: int | None


class Progress(TypedDict):
    """How far the newest run of a job is, from 0 to 1, and what it does. `at`: RFC 3339, UTC."""

    fraction: float
    text: str
    at: str


class LogLine(TypedDict):
    """A line of a job's log. `at`: RFC 3339, UTC; `fields`: what the handler gave by name."""

    offset: int
    attempt: int
    at: str
    text: str
    fields: dict[str, Any] | None


class LogPage(TypedDict):
    """Lines of a job's log, oldest first. `next`: the offset to continue after."""

    lines: list[LogLine]
    next: int


class Job(TypedDict):
    """A job. Times are RFC 3339 in UTC. Lists have what comes before `payload`, and `tags`.
    `rerunOf`: the id of its original; `reruns`: the ids of its newest re-runs, 20 at most, newest
    first."""

    id: str
    tenantId: str
    type: str
    status: StatusName
    attempts: int
    crashes: int
    maxAttempts: int | None
    priority: int
    error: str | None
    version: int
    workerId: int | None
    runAt: str
    createdAt: str
    updatedAt: str
    startedAt: str | None
    finishedAt: str | None
    payload: NotRequired[Any]
    result: NotRequired[Any]
    errors: NotRequired[list[Attempt]]
    callbackUrl: NotRequired[str | None]
    key: NotRequired[str | None]
    tags: NotRequired[dict[str, str]]
    rerunOf: NotRequired[str | None]
    reruns: NotRequired[list[str]]
    progress: NotRequired[Progress | None]


class Created(TypedDict):
    """The id of a job that was created, or that its idempotency key brought back."""

    jobId: str


class CreatedMany(TypedDict):
    """The ids of a batch, in order. `repeated`: the places, from 0, of those that idempotency keys
    brought back."""

    jobIds: list[str]
    repeated: NotRequired[list[int]]


class JobPage(TypedDict):
    """A page of jobs, newest first. `nextCursor` is None on the last page."""

    jobs: list[Job]
    nextCursor: str | None


class Update(TypedDict):
    """A change of a job. `version` grows by one at each visible change of it."""

    jobId: str
    tenantId: str
    type: str
    status: StatusName
    attempts: int
    version: int
    error: str | None
    workerId: int | None
    updatedAt: str


class Quantiles(TypedDict):
    """Seconds that half, 95 % and 99 % of the runs took at most; see `quantileError`."""

    p50: float
    p95: float
    p99: float


class HistoryPoint(TypedDict):
    """What happened in a step from `at` on; `waiting` and `running` at its end. `complete` is false
    where this series was left out because others were busier."""

    at: str
    submitted: int
    completed: int
    failed: int
    cancelled: int
    retried: int
    waiting: int | None
    running: int | None
    waitSeconds: Quantiles | None
    runSeconds: Quantiles | None
    complete: bool


# Points in steps of `step` seconds. A quantile is off by the part `quantileError` of itself at
# most.
History = TypedDict(
    "History",
    {
        "tenantId": str | None,
        "type": str | None,
        "from": str,
        "to": str,
        "step": int,
        "quantileError": float,
        "points": list[HistoryPoint],
    },
)


class Health(TypedDict):
    """Whether a server works: "degraded" while Redis is away, handlers hang, or VACUUM is
    held back."""

    status: Literal["ok", "degraded"]
    database: str
    queue: str
    workers: NotRequired[str]
    vacuum: NotRequired[str]


class Unhealthy(TypedDict):
    """Why a server does not work: "draining" while it stops, "unavailable" without PostgreSQL."""

    status: Literal["draining", "unavailable"]
    database: NotRequired[str]
    queue: NotRequired[str]


class VacuumHeld(TypedDict):
    """What keeps VACUUM from removing dead rows, and for how long."""

    kind: Literal["session", "prepared", "slot", "standby"]
    holder: str
    seconds: float


class Stats(TypedDict):
    """How many jobs have which status; None: no due job waits. `vacuumHeldBy`: only without a
    tenant; None: nothing holds it."""

    tenantId: NotRequired[str]
    counts: dict[StatusName, int]
    oldestWaitingSeconds: float | None
    vacuumHeldBy: NotRequired[VacuumHeld | None]


class JobType(TypedDict):
    """A job type, the JSON schema of its payload, how many live workers take its jobs, and who is
    told of their ends."""

    name: str
    schema: dict[str, Any]
    workers: int
    callbackUrl: str | None


class Matched(TypedDict):
    """How many jobs a filter matches; `matchedIsExact` is false if there was no time to look at
    all."""

    matched: int
    matchedIsExact: bool


class Operation(TypedDict):
    """Many jobs cancelled or retried. `done`: changed so far; `skipped`: found, but changed by
    others before it came to them."""

    id: str
    kind: Literal["cancel", "retry"]
    state: Literal["PENDING", "RUNNING", "COMPLETED", "ABORTED", "FAILED"]
    filter: dict[str, str]
    matched: int
    matchedIsExact: bool
    done: int
    skipped: int
    createdAt: str
    finishedAt: str | None
    error: str | None


class TypeList(TypedDict):
    """All job types, by name."""

    types: list[JobType]


class Tenant(TypedDict):
    """A tenant: how many of its jobs have which status, what it has of the work, and what holds it
    back."""

    id: str
    counts: dict[StatusName, int]
    backlog: int
    running: int
    oldestWaitingSeconds: float | None
    weight: float
    weightShare: float
    runningShare: float
    heldBy: str | None
    policy: dict[str, Any]


class TenantPage(TypedDict):
    """A page of tenants. `nextCursor` is None on the last page."""

    tenants: list[Tenant]
    nextCursor: str | None


class Explanation(TypedDict):
    """Why a job waits: the first reason, by its `code`, and the same as a sentence."""

    jobId: str
    status: StatusName
    reason: dict[str, Any]
    message: str


class Need(TypedDict):
    """How many slots a job type needs; None: the run time is unknown."""

    type: str
    slots: int
    waiting: int
    running: int
    meanRunSeconds: float | None


class Scaling(TypedDict):
    """How many slots are needed so that what waits starts within the time."""

    targetWaitSeconds: float
    slots: int
    types: list[Need]


class PolicyShown(TypedDict):
    """A policy as it was set, and of a tenant what holds now."""

    id: NotRequired[str]
    policy: dict[str, Any]
    effective: NotRequired[dict[str, Any]]


class PolicyChange(TypedDict):
    """One change of a policy. `at`: RFC 3339, UTC."""

    version: int
    at: str
    before: dict[str, Any]
    after: dict[str, Any]


class PolicyHistory(TypedDict):
    """Changes of a policy, newest first. `nextCursor` is None on the last page."""

    changes: list[PolicyChange]
    nextCursor: int | None


class Counted(TypedDict):
    """How many jobs an operation with this filter would change."""

    kind: Literal["cancel", "retry"]
    filter: dict[str, str]
    matched: int
    matchedIsExact: bool


class OperationPage(TypedDict):
    """A page of operations, newest first. `nextCursor` is None on the last page."""

    operations: list[Operation]
    nextCursor: str | None


class WorkerPool(TypedDict):
    """Where a worker runs jobs: how many at once, how many now, of which types."""

    slots: int
    used: int
    types: list[str]


class RunningType(TypedDict):
    """How many jobs of a type run."""

    type: str
    jobs: int


class Worker(TypedDict):
    """A live worker. `draining`: it claims no more jobs."""

    id: int
    name: str
    version: str | None
    startedAt: str
    silentSeconds: float
    hungHandlers: int
    draining: bool
    pools: dict[str, WorkerPool]
    running: list[RunningType]


class WorkerList(TypedDict):
    """The live workers; `runsAreComplete` is false if there was no time to look at all that
    runs."""

    workers: list[Worker]
    runsAreComplete: bool


class TypeNumbers(TypedDict):
    """A job type in numbers."""

    type: str
    counts: dict[StatusName, int]
    workers: int
    meanRunSeconds: float | None


class TypeNumbersList(TypedDict):
    """All job types in numbers, by name."""

    types: list[TypeNumbers]


class Breaker(TypedDict):
    """What a worker knows of an endpoint of webhooks that is, or lately was, dead."""

    endpoint: str
    state: Literal["closed", "open", "half-open"]
    since: str
    reason: str
    nextProbeAt: str | None
    workerId: int


class BreakerList(TypedDict):
    """Endpoints of webhooks; `open`: how many are not closed."""

    open: int
    breakers: list[Breaker]
