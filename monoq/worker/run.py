"""One run of one job in this process, and how it ended. Pure values; writing them down is the completer's."""

import asyncio
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from monoq.job import Status
from monoq.registry import Handler


@dataclass(slots=True, eq=False)
class Run:
    """A claimed job. (id, claim, worker_id) is the fence of every write it leads to; `deadline` is on the monotonic clock."""

    id: UUID
    tenant_id: str
    type: str
    payload: str
    claim: int
    worker_id: int
    attempt: int
    max_attempts: int
    version: int
    lost: int
    deadline: float
    timeout_s: float
    handler: Handler
    task: "asyncio.Task[None] | None" = None
    timed_out: bool = False
    started_at: float = 0.0  # as its end, on the monotonic clock
    ended_at: float = 0.0


class Ending(NamedTuple):
    """How a run ended: `status` and what goes with it. PENDING: it runs again after `delay_ms`; `error` goes into the history.

    `lost` is 1 if the run took its own process with it.
    """

    status: Status
    result: str | None = None
    error: str | None = None
    delay_ms: int = 0
    attempts_back: int = 0
    lost: int = 0


COMPLETED = Ending(Status.COMPLETED)  # without a result
RELEASED = Ending(Status.PENDING, attempts_back=1)
