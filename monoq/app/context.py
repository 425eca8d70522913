"""What a handler may know of its run, and say of it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a handler may know of its run, if it has a parameter of this type.

    Attributes:
        job_id, tenant_id, type: Of the job.
        attempt: Which attempt this is; the first is 1.
        max_attempts: How many there may be, the first included.
        claim: Grows with each run of the job, whoever runs it: a fencing token for systems that the
            handler writes to.
        deadline: When the run is cut off, on the clock of `time.monotonic`, in seconds.
        state: What the lifespan of the handler's App has yielded; None without one.

    >>> async def send_email(payload: Email, ctx: JobContext) -> None:
    ...     left_s = ctx.deadline - time.monotonic()
    """

    job_id: UUID
    tenant_id: str
    type: str
    attempt: int
    max_attempts: int
    claim: int
    deadline: float
    state: Any = None
