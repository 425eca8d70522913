"""What the HTTP and WebSocket contracts answer, as types. The names are those of the JSON."""

from typing import Any, Literal, NotRequired, TypedDict

StatusName = Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]


class Attempt(TypedDict):
    """One failed run. `at`: RFC 3339, UTC."""

    attempt: int
    error: str
    at: str
    workerId: int | None


class Job(TypedDict):
    """A job. Times are RFC 3339 in UTC; `payload`, `result` and `errors` are not in lists."""

    id: str
    tenantId: str
    type: str
    status: StatusName
    attempts: int
    crashes: int
    maxAttempts: int | None
    priority: int
    error: str | None
    progress: Any
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


class Health(TypedDict):
    """Whether a server works: "degraded" while Redis is away or handlers hang."""

    status: Literal["ok", "degraded"]
    database: str
    queue: str
    workers: NotRequired[str]
