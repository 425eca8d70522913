"""Runs one handler, without engines. It must end the run by the worker's own rules."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from monoq import codec
from monoq.app.declared import handler_of
from monoq.job import Status, new_id
from monoq.worker.call import end_of
from monoq.worker.environment import Environment, lifespans
from monoq.worker.run import Ending, Run

MAX_RESULT = 1_048_576  # bytes, as MONOQ_MAX_RESULT has it by default


class _Lifespan:
    """Stands for the state that the App's lifespan yields."""


LIFESPAN = _Lifespan()


@dataclass(frozen=True)
class HandlerRun:
    """How a run ended.

    Attributes:
        status: COMPLETED, FAILED, CANCELLED, or PENDING: it runs again after `delay` seconds.
        result: What the handler returned, as it is read back from JSON.
        error: What would be the job's `error`.
        traceback: Of the exception, if there was one.
        delay: Seconds until the next run; None: there is none.
        progress: The fractions and texts that it has reported.
        log: The lines that it has logged, with their fields.
    """

    status: Status
    result: Any = None
    error: str | None = None
    traceback: str | None = None
    delay: float | None = None
    progress: list[tuple[float, str]] = field(default_factory=list)
    log: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __repr__(self) -> str:
        """A failed assertion shows where the handler failed."""
        shown = f"HandlerRun({self.status}, result={self.result!r}, error={self.error!r}"
        delay = "" if self.delay is None else f", delay={self.delay:g}"
        return f"{shown}{delay})" + (f"\n{self.traceback}" if self.traceback else "")


async def run_handler(
    handler: Callable[..., Any],
    payload: Any = None,
    *,
    tenant_id: str = "test",
    attempt: int = 1,
    max_attempts: int | None = None,
    timeout: float | None = None,
    state: Any = LIFESPAN,
) -> HandlerRun:
    """Runs a handler as a worker would, in this process: the payload and the result pass through
    JSON, and an exception is a failed attempt.

    Args:
        handler: A function that was decorated with `@app.handler`.
        payload: As for `Client.submit`; None is `{}`.
        tenant_id: What the context says.
        attempt: Which attempt this is; the first is 1.
        max_attempts: How many there may be; by default what the handler says.
        timeout: Seconds; by default what the handler says.
        state: What `ctx.state` is; by default the lifespan of the handler's App is entered for it.

    `ctx.finish` ends a job that is stored: test such a handler with `drain`.

    Raises ConfigError for a function that is no handler, InvalidJson for a payload without a JSON
    form.

    >>> run = await run_handler(send_email, Email(to="a@example.com"), attempt=3)
    >>> assert run.status == "COMPLETED"
    """
    declared = handler_of(handler)
    run = Run(
        id=new_id(),
        tenant_id=tenant_id,
        type=declared.name,
        payload=codec.dumps({} if payload is None else declared.plain(payload)),
        claim=attempt,
        worker_id=0,
        attempt=attempt,
        max_attempts=declared.max_attempts if max_attempts is None else max_attempts,
        version=2 * attempt,
        lost=0,
        deaths=0,
        timeout_s=declared.timeout_s if timeout is None else timeout,
        handler=declared,
    )
    said = _Said()
    async with AsyncExitStack() as entered:
        if not isinstance(state, _Lifespan):
            states = {declared.lifespan: state} if declared.lifespan else {}
        else:
            states = await entered.enter_async_context(lifespans(declared))
        ending = await _end_in_time(run, Environment(MAX_RESULT, said, states))
    return HandlerRun(
        ending.status,
        None if ending.result is None else codec.loads(ending.result),
        ending.error,
        ending.traceback,
        ending.delay_ms / 1000 if ending.status == Status.PENDING else None,
        said.progresses,
        said.lines,
    )


class _Said:
    """Keeps what a run says of itself."""

    def __init__(self) -> None:
        self.progresses: list[tuple[float, str]] = []
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def progress(self, _: Run, fraction: float, text: str) -> None:
        self.progresses.append((fraction, text))

    def log(self, _: Run, text: str, fields: Mapping[str, Any]) -> None:
        self.lines.append((text, dict(fields)))


async def _end_in_time(run: Run, environment: Environment) -> Ending:
    run.begin(time.monotonic())
    task = asyncio.create_task(end_of(run, asyncio.to_thread, environment))

    def cut_off() -> None:
        run.timed_out = True
        task.cancel()

    limit = asyncio.get_running_loop().call_later(run.timeout_s, cut_off)
    try:
        return await task
    finally:
        limit.cancel()
        task.cancel()
