"""One run of one job in this process, and how it ended. Pure values; writing them down is the completer's."""

import asyncio
import math
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from monoq.job import Status
from monoq.registry import Handler


@dataclass(slots=True, eq=False)
class Run:
    """A claimed job. (id, claim, worker_id) is the fence of every write it leads to.

    `lost`: how often the job took its own process with it. `deaths`: how often a process died with
    the job in hand, and it is not known why. Times are on the monotonic clock.
    """

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
    deaths: int
    timeout_s: float
    handler: Handler
    deadline: float = math.inf  # until it begins
    task: "asyncio.Task[None] | None" = None
    # Why monoq cancels `task`, set before it does. A cancellation without either is the handler's own.
    timed_out: bool = False
    released: bool = False
    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def suspect(self) -> bool:
        """Whether it may be what killed its process: it runs alone, in a child."""
        return self.lost > 0 or self.deaths > 0

    def begin(self, now: float) -> None:
        """The handler begins: its time runs from here, whatever it has waited for since the claim."""
        self.started_at = now
        self.deadline = now + self.timeout_s


class Ending(NamedTuple):
    """How a run ended: `status` and what goes with it. PENDING: it runs again after `delay_ms`; `error` goes into the history.

    `lost` and `deaths` are added to the job's (see Run).
    """

    status: Status
    result: str | None = None
    error: str | None = None
    delay_ms: int = 0
    attempts_back: int = 0
    lost: int = 0
    deaths: int = 0


COMPLETED = Ending(Status.COMPLETED)  # without a result
RELEASED = Ending(Status.PENDING, attempts_back=1)
