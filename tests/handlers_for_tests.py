"""One handler that does what its payload says, and a few with a policy of their own."""

import asyncio
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from monoq import App, Backoff, Cancel, Fail, JobContext, Retry, Snooze

app = App()
QUICK = Backoff(base=0.01, max=0.05)


class Act(BaseModel):
    """What to do: the fault is an argument."""

    do: str
    times: int = 10**6  # do it in the first so many attempts, then succeed
    value: Any = None
    ledger: str | None = None


def _act(what: Act, ctx: JobContext) -> Any:
    if what.ledger:
        with Path(what.ledger).open("a") as ledger:
            ledger.write(f"{ctx.job_id} {ctx.attempt}\n")
    if ctx.attempt > what.times:
        return {"attempt": ctx.attempt}
    match what.do:
        case "return":
            return what.value
        case "context":
            return {
                "jobId": ctx.job_id,
                "tenantId": ctx.tenant_id,
                "attempt": ctx.attempt,
                "thread": threading.current_thread().name,
            }
        case "raise":
            raise RuntimeError(what.value)
        case "exit":
            raise SystemExit(3)
        case "retry":
            raise Retry("not yet", delay=0.01)
        case "snooze":
            raise Snooze(0.05)
        case "cancel":
            return Cancel("no longer wanted")
        case "fail":
            return Fail("no use")
        case "block":
            return time.sleep(what.value)
        case "parse in vain":
            Act.model_validate({})
        case "nul":
            return "a\x00b"
        case "deep":
            value: Any = 0
            for _ in range(200):
                value = [value]
            return value
        case "huge error":
            raise RuntimeError("x" * 10_000_000)
        case "surrogate error":
            raise RuntimeError("half a pair: \ud800, and NUL: \x00")
        case "bad error":
            raise Unspeakable
    raise AssertionError(what.do)


class Unspeakable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise ValueError("no words")


class Address(BaseModel):
    """Where something goes."""

    city: str
    zip: str | None = None


class Line(BaseModel):
    """One of what is ordered."""

    sku: str
    pieces: int = Field(1, ge=1)


class Order(BaseModel):
    """A payload with everything that a form must know."""

    to: Address
    lines: list[Line] = []
    speed: Literal["slow", "fast"] = "slow"
    gift: bool = False
    by: datetime | None = None
    discount: float | None = None
    return_to: Address | None = None
    more: dict[str, Any] = {}


@app.handler
async def order(payload: Order) -> Any:
    return payload.model_dump(mode="json")


@app.handler("act", max_attempts=3, backoff=QUICK)
async def act(payload: Act, ctx: JobContext) -> Any:
    return _act(payload, ctx)


@app.handler("act-in-thread", max_attempts=3, backoff=QUICK)
def act_in_thread(payload: Act, ctx: JobContext) -> Any:
    return _act(payload, ctx)


@app.handler("act-apart", max_attempts=3, backoff=QUICK, isolated=True)
def act_apart(payload: Act, ctx: JobContext) -> Any:
    return _act(payload, ctx)


@app.handler("cancels-itself-apart", max_attempts=3, backoff=QUICK, isolated=True)
@app.handler("cancels-itself", max_attempts=3, backoff=QUICK)
async def cancels_itself(payload: bool) -> bool:
    task = asyncio.current_task()
    assert task
    task.cancel()
    if payload:
        return True  # before anything can be cancelled
    await asyncio.sleep(3600)
    return False


@app.handler("slow", timeout=0.2, max_attempts=2, backoff=QUICK)
async def slow() -> None:
    await asyncio.sleep(3600)


@app.handler("block", timeout=30)
def block(payload: float) -> None:
    time.sleep(payload)


@app.handler("block-elsewhere", timeout=30)
async def block_elsewhere(payload: float) -> None:
    await asyncio.to_thread(time.sleep, payload)


@app.handler("reports", timeout=60)
async def reports(payload: float, ctx: JobContext) -> None:
    ctx.log("begins", by="test")
    ctx.progress(0.4, "half way")
    await asyncio.sleep(payload)
    ctx.log("<img src=x onerror=alert(1)>")
    ctx.progress(1.0)


@app.handler
async def nothing() -> None: ...
