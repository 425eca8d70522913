"""What a handler may know of its run, and say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID


class RunHandle(Protocol):
    """The run behind a JobContext. Every method but `finish` may be called by any thread."""

    @property
    def cancelled(self) -> bool: ...
    def progress(self, fraction: float, text: str) -> None: ...
    def log(self, text: str, fields: Mapping[str, Any]) -> None: ...
    async def finish(self, connection: Any, result: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a handler may know of its run, and say of it, if it has a parameter of this type.

    There is no heartbeat to send: the worker process keeps the lease of all its jobs, from a thread
    of its own, for as long as they take.

    Attributes:
        job_id, tenant_id, type: Of the job.
        attempt: Which attempt this is; the first is 1.
        max_attempts: Maximum number of attempts, including the first.
        claim: Grows with each run of the job, on any worker: a fencing token for systems that the
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
    handle: RunHandle | None = field(default=None, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether the job is no longer this run's: it was cancelled, timed out, or taken away. An
        async handler is interrupted then, and the process of an isolated one is killed; a plain
        function continues unless it checks this."""
        return self.handle is not None and self.handle.cancelled

    def progress(self, fraction: float, text: str = "") -> None:
        """Reports the progress of the job. Returns at once, and may be called as often as one
        likes: at most ten times a second the newest is written and shown.

        Args:
            fraction: From 0 to 1; beyond, it is taken as the nearer of the two.
            text: What is being done, up to 200 characters.

        Raises TypeError for a fraction that is no number, ValueError for NaN.

        >>> ctx.progress(0.4, "resizing")
        """
        if not isinstance(fraction, int | float):
            raise TypeError(f"the progress must be a number from 0 to 1, not {fraction!r}")
        if fraction != fraction:
            raise ValueError("the progress must be a number from 0 to 1, not NaN")
        if self.handle is not None:
            self.handle.progress(min(max(float(fraction), 0.0), 1.0), str(text))

    def log(self, text: str, **fields: Any) -> None:
        """Adds a line to the job's log, which `GET /jobs/{id}/log` and the dashboard show. Returns
        at once. A job keeps its last 1,000 lines, or 64 KB of them.

        Args:
            text: Up to 4,000 characters.
            fields: Values with a JSON form; others are kept as their `str()`.

        >>> ctx.log("resized", width=800, height=600)
        """
        if self.handle is not None:
            self.handle.log(str(text), fields)

    async def finish(self, connection: Any, result: Any = None) -> None:
        """Completes the job inside your own transaction: your writes and the end of the job are
        committed together, or not at all. So they happen once, though the handler may run more than
        once. Call it last; what the handler returns afterwards is ignored.

        Args:
            connection: An asyncpg connection to monoq's database, inside a transaction.
            result: The job's result: any value that has a JSON form.

        Raises ClaimLost if the job is no longer this run's (let it pass: the transaction must roll
        back), ValueError outside of a transaction, InvalidJson for a result that cannot be stored.

        >>> async with pool.acquire() as connection, connection.transaction():
        ...     await connection.execute("INSERT INTO invoices ...")
        ...     await ctx.finish(connection, {"invoice": 17})
        """
        if self.handle is None:
            raise RuntimeError("this JobContext belongs to no run")
        await self.handle.finish(connection, result)
