"""The job types that the benchmark runs: one that does nothing, one that says when it started, and
kinds of ordinary work."""

import asyncio
import os
import time
from typing import Any

from pydantic import BaseModel

from monoq.app.backoff import Backoff
from monoq.app.context import JobContext
from monoq.app.registry import App

app = App()


class Work(BaseModel):
    """How long, with what, and whether the first attempt fails."""

    ms: int = 0
    data: str = ""
    fail: bool = False


@app.handler("bench-noop")
async def noop(payload: Any) -> None:
    """Nothing."""


@app.handler("bench-clock")
async def clock() -> int:
    """The wall clock at the handler's start, in microseconds."""
    return time.time_ns() // 1000


@app.handler("bench-async", max_attempts=3, backoff=Backoff(base=0.05, max=0.1))
async def wait(payload: Work, ctx: JobContext) -> None:
    """Waits for so many milliseconds, as for a remote answer."""
    _fail_first(payload, ctx)
    await asyncio.sleep(payload.ms / 1000)


@app.handler("bench-plain", max_attempts=3, backoff=Backoff(base=0.05, max=0.1))
def block(payload: Work, ctx: JobContext) -> None:
    """Blocks its thread for so many milliseconds."""
    _fail_first(payload, ctx)
    time.sleep(payload.ms / 1000)


@app.handler("bench-isolated", max_attempts=3, backoff=Backoff(base=0.05, max=0.1), isolated=True)
def block_alone(payload: Work, ctx: JobContext) -> None:
    """Blocks a process of its own for so many milliseconds."""
    _fail_first(payload, ctx)
    time.sleep(payload.ms / 1000)


@app.handler("bench-ledger", max_attempts=100, backoff=Backoff(base=0.05, max=0.1))
async def note(payload: Work, ctx: JobContext) -> None:
    """Waits for so many milliseconds, and writes into the ledger when it began and ended."""
    ledger = os.open(os.environ["MONOQ_BENCH_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        run = f"{ctx.job_id}/{ctx.claim} {os.getpid()}"
        os.write(ledger, f"start {run} {time.time_ns()}\n".encode())
        await asyncio.sleep(payload.ms / 1000)
        os.write(ledger, f"end {run} {time.time_ns()}\n".encode())
    finally:
        os.close(ledger)


@app.handler("bench-cpu", max_attempts=3, backoff=Backoff(base=0.05, max=0.1))
async def compute(payload: Work, ctx: JobContext) -> None:
    """Computes for so many milliseconds without a pause: an async handler should not."""
    _fail_first(payload, ctx)
    end = time.thread_time() + payload.ms / 1000
    while time.thread_time() < end:
        sum(range(100))


@app.handler("bench-payload", max_attempts=3, backoff=Backoff(base=0.05, max=0.1))
async def measure_payload(payload: Work, ctx: JobContext) -> int:
    """Looks at what came with it."""
    _fail_first(payload, ctx)
    return len(payload.data)


def _fail_first(payload: Work, ctx: JobContext) -> None:
    if payload.fail and ctx.attempt == 1:
        raise RuntimeError("the first attempt of this job fails")
