"""Handlers that write a ledger: one line when they start, one when they end. O_APPEND keeps lines
whole, whoever dies."""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from monoq import App, Backoff, JobContext

app = App()
_ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
QUICK = Backoff(base=0.05, max=0.2)
_waiting: list[UUID] = []
_all_here = asyncio.Event()


class Work(BaseModel):
    ms: int = 0
    fail: bool = False  # in the first attempt


def note(ctx: JobContext, event: str) -> None:
    os.write(_ledger, f"{ctx.job_id} {event} {ctx.claim} {os.getpid()}\n".encode())


@app.handler("work", max_attempts=5, backoff=QUICK)
async def work(payload: Work, ctx: JobContext) -> Any:
    note(ctx, "start")
    if payload.ms:
        await asyncio.sleep(payload.ms / 1000)
    if payload.fail and ctx.attempt == 1:
        raise RuntimeError("the first attempt fails")
    note(ctx, "end")
    return {"claim": ctx.claim}


@app.handler("together")
async def together(payload: int, ctx: JobContext) -> None:
    """Ends when this many have begun here: all in one turn of the event loop, so that one statement
    writes their results."""
    note(ctx, "start")
    _waiting.append(ctx.job_id)
    if len(_waiting) == payload:
        _all_here.set()
    await _all_here.wait()
    note(ctx, "end")


@app.handler("segfault", timeout=30, backoff=QUICK)
async def segfault(payload: Any, ctx: JobContext) -> None:
    note(ctx, "start")
    ctypes.string_at(0)


@app.handler("exit", timeout=30, backoff=QUICK)
async def exit_process(payload: Any, ctx: JobContext) -> None:
    note(ctx, "start")
    os._exit(9)


@app.handler("block-loop", timeout=60)
async def block_loop(payload: float, ctx: JobContext) -> None:
    note(ctx, "start")
    time.sleep(payload)  # noqa: ASYNC251 - the fault
    note(ctx, "end")


@app.handler("hold-gil", timeout=2, max_attempts=2, backoff=QUICK)
async def hold_gil(payload: Any, ctx: JobContext) -> None:
    note(ctx, "start")
    re.fullmatch("(a+)+$", "a" * 40 + "b")


@app.handler("stubborn", timeout=0.5, max_attempts=1)
async def stubborn(payload: Any, ctx: JobContext) -> None:
    note(ctx, "start")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


if "monoq.worker.fork_server" in sys.orig_argv and Path(os.environ["LEDGER"] + ".broken").exists():
    raise RuntimeError("the handlers do not load here")


@app.handler("nap-briefly", timeout=1.5, max_attempts=1, isolated=True)
@app.handler("nap", timeout=60, max_attempts=1, isolated=True)
def nap(payload: float, ctx: JobContext) -> None:
    note(ctx, "start")
    time.sleep(payload)
    note(ctx, "end")


@app.handler("weigh", timeout=60, max_attempts=1, isolated=True)
def weigh(payload: str) -> int:
    return len(payload)


@app.handler("print-lines", timeout=60, max_attempts=1, isolated=True)
def print_lines(payload: int) -> None:
    for n in range(payload):
        print("line", n)


@app.handler("print-and-die", timeout=60, max_attempts=1, isolated=True)
def print_and_die(payload: None) -> None:
    print("my", "last", "words")
    os._exit(9)


@app.handler("apart", timeout=60, max_attempts=10, isolated=True, backoff=QUICK)
@app.handler("isolated-briefly", timeout=2, max_attempts=1, isolated=True)
@app.handler("isolated", timeout=60, max_attempts=1, isolated=True)
def isolated(payload: str, ctx: JobContext) -> Any:
    note(ctx, "start")
    match payload:
        case "hang":
            time.sleep(3600)
        case "fork":
            if os.fork() == 0:
                time.sleep(3600)
            time.sleep(3600)
        case "flood":
            os.write(1, b"x" * 1_000_000)
            return "x" * 20_000_000
        case "kill parent":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(3600)
        case "kill itself":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill its group":
            os.killpg(0, signal.SIGKILL)
        case "crash":
            ctypes.string_at(0)
        case "exit":
            os._exit(0)
        case "hang up":
            for descriptor in range(3, 100):
                with contextlib.suppress(OSError), socket.socket(fileno=descriptor):
                    pass
            time.sleep(3600)
        case "talk":
            for descriptor in range(3, 100):
                with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as wire:
                    wire.send(b"nonsense\n")
            time.sleep(3600)
        case "memory":
            return len(bytearray(8 << 30))
    return payload


@app.handler("clock")
async def clock(payload: Any, ctx: JobContext) -> float:
    await asyncio.sleep(0.05)  # so that no worker takes them all
    return time.time()
