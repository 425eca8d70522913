"""Handlers that say how far they are, and that end their jobs by their own transaction."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from monoq import App, Backoff, Fail, JobContext


async def pool() -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(os.environ["TEST_DATABASE_URL"], min_size=1) as opened:
        yield opened


app = App(lifespan=pool)
QUICK = Backoff(base=0.01, max=0.05)


class Odd:
    def __str__(self) -> str:
        raise ValueError("no words")


@app.handler("speaks", max_attempts=1)
async def speaks(payload: dict[str, Any], ctx: JobContext) -> None:
    _speak(payload, ctx)
    if payload.get("waits"):
        await asyncio.sleep(payload["waits"])


@app.handler("speaks-in-thread", max_attempts=1)
def speaks_in_thread(payload: dict[str, Any], ctx: JobContext) -> None:
    _speak(payload, ctx)


@app.handler("speaks-apart", max_attempts=1, isolated=True)
def speaks_apart(payload: dict[str, Any], ctx: JobContext) -> None:
    _speak(payload, ctx)


def _speak(payload: dict[str, Any], ctx: JobContext) -> None:
    for n in range(payload["lines"]):
        ctx.log(f"line {n}", n=n)
    ctx.log("odd \x00 \ud800 values", what=Odd(), number=float("nan"))
    ctx.progress(0.4, "resizing")
    ctx.progress(7, "done")


@app.handler("invoice", max_attempts=3, backoff=QUICK)
async def invoice(payload: dict[str, Any], ctx: JobContext) -> str:
    """Writes an invoice, and the end of its job with it, unless the payload says otherwise."""
    async with ctx.state.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("INSERT INTO invoices VALUES ($1, $2)", ctx.job_id, ctx.attempt)
        if payload.get("waits"):
            await asyncio.sleep(payload["waits"])
        await ctx.finish(connection, {"attempt": ctx.attempt})
        if ctx.attempt <= payload.get("rolls_back", 0):
            await transaction.rollback()
        else:
            await transaction.commit()
        if payload.get("raises"):
            raise RuntimeError("after the commit")
    return "ignored"


@app.handler("finishes-outside", max_attempts=1)
async def finishes_outside(ctx: JobContext) -> None:
    async with ctx.state.acquire() as connection:
        try:
            await ctx.finish(connection)
        except ValueError as error:
            raise Fail(str(error)) from None


@app.handler("invoice-apart", max_attempts=3, backoff=QUICK, isolated=True)
async def invoice_apart(ctx: JobContext) -> None:
    async with ctx.state.acquire() as connection, connection.transaction():
        await connection.execute("INSERT INTO invoices VALUES ($1, $2)", ctx.job_id, ctx.attempt)
        await ctx.finish(connection, {"attempt": ctx.attempt})


@app.handler("looks", timeout=60, max_attempts=1)
def looks(ctx: JobContext) -> None:
    import time

    ctx.log("looking")
    while not ctx.cancelled:
        time.sleep(0.01)
    ctx.log("cancelled")
