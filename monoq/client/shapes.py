"""What the HTTP and WebSocket contracts answer, as types. The names are those of the JSON."""

from typing import Any, Literal, NotRequired, TypedDict

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
    """Lines of a job's log, oldest first. `next`: the offset to go on after."""

    lines: list[LogLine]
    next: int


class Job(TypedDict):
    """A job. Times are RFC 3339 in UTC; `payload`, `result` and `errors` are not in lists,
    nor is `progress`."""

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
    progress: NotRequired[Progress | None]


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


class History(TypedDict):
    """Points in steps of `step` seconds. A quantile is off by the part `quantileError` of itself at
    most."""

    tenantId: str | None
    type: str | None
    to: str
    step: int
    quantileError: float
    points: list[HistoryPoint]


class Health(TypedDict):
    """Whether a server works: "degraded" while Redis is away, handlers hang, or VACUUM is
    held back."""

    status: Literal["ok", "degraded"]
    database: str
    queue: str
    workers: NotRequired[str]
    vacuum: NotRequired[str]
