"""Handlers whose Apps open something for them. Each opening and closing is a line of a ledger."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from monoq import App, JobContext


def write(line: str) -> None:
    with Path(os.environ["LEDGER"]).open("a") as ledger:
        ledger.write(f"{line} {os.getpid()}\n")


def broken() -> bool:
    return Path(os.environ["LEDGER"] + ".broken").exists()


async def opened() -> AsyncIterator[dict[str, Any]]:
    if broken():
        raise ConnectionError("the mail server is away")
    write("opened")
    yield {"loop": asyncio.get_running_loop(), "thread": threading.current_thread().name}
    write("closed")


async def other() -> AsyncIterator[str]:
    write("other opened")
    yield "other"
    write("other closed")


app = App(lifespan=opened)
others = App(lifespan=other)
stateless = App()


@app.handler("in-loop")
async def in_loop(ctx: JobContext) -> Any:
    return [ctx.state["loop"] is asyncio.get_running_loop(), ctx.state["thread"]]


@app.handler("in-thread")
def in_thread(ctx: JobContext) -> Any:
    return [threading.current_thread().name, ctx.state["thread"]]


@app.handler("apart", isolated=True)
async def apart(ctx: JobContext) -> Any:
    write("ran")
    return [ctx.state["loop"] is asyncio.get_running_loop(), ctx.state["thread"]]


@others.handler("of-other")
async def of_other(ctx: JobContext) -> Any:
    return ctx.state


@stateless.handler("without")
async def without(ctx: JobContext) -> Any:
    return ctx.state


@app.handler("sticks", timeout=0.5, max_attempts=1)
async def sticks(payload: float) -> None:
    threading.Event().wait(payload)


app.include(others)
app.include(stateless)
