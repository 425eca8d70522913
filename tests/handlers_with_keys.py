"""A handler that writes down when it begins and when it ends, for jobs of a key."""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

from monoq import App, Backoff, JobContext

app = App()


def note(what: str, payload: dict[str, Any], ctx: JobContext) -> None:
    with Path(os.environ["LEDGER"]).open("a") as ledger:
        ledger.write(f"{what} {payload['key']} {payload['n']} {ctx.claim}\n")


@app.handler("serial", max_attempts=3, timeout=30, backoff=Backoff(base=0.05, max=0.1))
async def serial(payload: dict[str, Any], ctx: JobContext) -> None:
    note("begins", payload, ctx)
    await asyncio.sleep(payload.get("seconds", random.uniform(0, 0.02)))
    if ctx.attempt <= payload.get("fails", 0):
        note("ends", payload, ctx)
        raise RuntimeError("not yet")
    note("ends", payload, ctx)
