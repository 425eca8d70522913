"""One run of one job in this process, and how it ended. Pure values; writing them down is the
completer's."""

import asyncio
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from monoq.app.handler import Handler
from monoq.app.pool import Pool
from monoq.job import Status
from monoq.worker.report import Report

START_WITHIN_S = 0.5  # what was claimed and has not begun by then goes back


class BatchOfRuns(Protocol):
    """Runs that are called together."""

    def cancel(self, run: "Run") -> None: ...


@dataclass(slots=True, eq=False)
class Run:
    """A claimed job. (id, claim, worker_id) is the fence of every write it leads to.

    Times are on the monotonic clock. Until `begin` it only waits for its turn, and has no
    deadline: the time limit is for the handler.
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
    claimed_at: float = 0.0
    payload_bytes: int = 0
    claim_xid: int = 0  # the transaction of its claim
    keyed: bool = False  # jobs of its key may wait for its end
    waited_s: float = 0.0  # from the moment it was due to its claim
    deadline: float = float("inf")
    started_at: float = 0.0
    ended_at: float = 0.0
    task: "asyncio.Task[None] | None" = None
    timed_out: bool = False  # set before we cancel the task because of its deadline
    released: bool = False  # set before we cancel it because its job is not ours to run any more
    blocking_told: bool = False
    report: Report | None = None  # what it has said of itself
    batch: "BatchOfRuns | None" = None  # those that began together with it
    finished: tuple[int, float] | None = None  # version and time, once `ctx.finish` has ended it

    @property
    def suspect(self) -> bool:
        """Whether a process died with this job in hand: it runs alone."""
        return self.lost + self.deaths > 0

    @property
    def pool(self) -> Pool:
        """Where it runs."""
        return Pool.CHILDREN if self.lost or self.deaths else self.handler.pool

    def is_late(self, now: float) -> bool:
        """Whether it was claimed too long ago to begin. After a freeze of the process its lease may
        have expired, and another worker may hold the job."""
        return 0 < self.claimed_at < now - START_WITHIN_S

    def begin(self, now: float) -> None:
        """The handler starts now."""
        self.started_at = now
        self.deadline = now + self.timeout_s


class Ending(NamedTuple):
    """How a run ended: `status` and what goes with it. PENDING: it runs again after `delay_ms`;
    `error` goes into the history.

    `finished`: the version and time of an end that the handler's own transaction has written; then
    all else holds only if that was not committed.

    `lost` is 1 if the run took its own process with it, `deaths` if something else ended that
    process.
    """

    status: Status
    result: str | None = None
    error: str | None = None
    delay_ms: int = 0
    attempts_back: int = 0
    lost: int = 0
    deaths: int = 0
    traceback: str | None = None
    finished: tuple[int, float] | None = None

    @property
    def size(self) -> int:
        """Characters that its write has to carry."""
        return len(self.result or "") + len(self.traceback or "")


COMPLETED = Ending(Status.COMPLETED)  # without a result
# One job of a batch has blocked the event loop, and it is unknown which: from now on each runs
# alone in a process of its own, where the culprit shows.
HELD_UP = Ending(
    Status.PENDING, error="its batch held up the event loop", attempts_back=1, deaths=1
)
RELEASED = Ending(Status.PENDING, attempts_back=1)
