"""Handlers that do ordinary work: slow, blocking, unequal, large. In the tests' own process they
note in which order they began."""

import asyncio
import contextlib
import threading
import time
from typing import Any
from uuid import UUID

from monoq import App, Backoff, JobContext

app = App()
mails = App()
images = App()
QUICK = Backoff(base=0.01, max=0.05)
started: list[UUID] = []
let_go = threading.Event()


@app.handler("plain", timeout=1.5, max_attempts=1)
def plain(payload: float, ctx: JobContext) -> None:
    started.append(ctx.job_id)
    time.sleep(payload)


@app.handler("wait", timeout=60)
async def wait(payload: float, ctx: JobContext) -> None:
    started.append(ctx.job_id)
    await asyncio.sleep(payload)


@app.handler("compute", timeout=5, max_attempts=1)
async def compute(payload: float, ctx: JobContext) -> None:
    """Never lets its event loop turn."""
    started.append(ctx.job_id)
    end = time.monotonic() + payload
    while time.monotonic() < end:
        pass


@app.handler("block", timeout=30, max_attempts=1)
async def block(payload: float, ctx: JobContext) -> None:
    started.append(ctx.job_id)
    time.sleep(payload)  # noqa: ASYNC251 - the fault


@app.handler("hang", timeout=0.3, max_attempts=1)
def hang(payload: float, ctx: JobContext) -> None:
    """For so many seconds, unless the test lets it go."""
    started.append(ctx.job_id)
    let_go.wait(payload)


@app.handler("hold", timeout=120, max_attempts=1)
def hold(payload: float) -> None:
    """Keeps its thread for so many seconds, unless the test lets it go."""
    let_go.wait(payload)


@app.handler("stuck", timeout=0.3, max_attempts=1)
async def stuck(payload: float, ctx: JobContext) -> None:
    """As `hang`, and it holds its event loop."""
    started.append(ctx.job_id)
    let_go.wait(payload)


@app.handler("deaf", timeout=0.3, max_attempts=1)
async def deaf(payload: float) -> None:
    """Ignores its cancellation, but lets its event loop turn."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(payload)


@app.handler("apart", isolated=True, timeout=20, max_attempts=1)
def apart(payload: float) -> None:
    time.sleep(payload)


@app.handler("length")
async def length(payload: Any) -> int:
    return len(payload)


@app.handler("large")
async def large(payload: int) -> str:
    return "x" * payload


@mails.handler("mail")
async def mail(ctx: JobContext) -> None:
    started.append(ctx.job_id)


@images.handler("image")
async def image(ctx: JobContext) -> None:
    started.append(ctx.job_id)
