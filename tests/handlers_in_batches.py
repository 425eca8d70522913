"""Batch handlers that write down each call: the jobs of it, by the number in their payload."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from monoq import App, Backoff, BatchJob, Cancel, Fail, JobContext, Retry

QUICK = Backoff(base=0.01, max=0.05)


class Item(BaseModel):
    n: int
    do: str = ""


def note(what: str, numbers: list[Any]) -> None:
    with Path(os.environ["LEDGER"]).open("a") as ledger:
        ledger.write(json.dumps([what, numbers]) + "\n")


def failed(ctx: JobContext, error: str) -> None:
    note("failed", [error])


app = App(on_failure=failed)


async def _run(jobs: list[BatchJob[Item]]) -> dict[UUID, Any]:
    note("call", [job.payload.n for job in jobs])
    for job in jobs:
        match job.payload.do:
            case "raise":
                raise RuntimeError(f"bad {job.payload.n}")
            case "hang":
                await asyncio.sleep(3600)
            case "block":
                time.sleep(20)  # noqa: ASYNC251 - that is the fault
            case "exit":
                os._exit(7)
            case "sleep":
                await asyncio.sleep(0.5)
    outcomes = {
        "retry": Retry("again", delay=0.01),
        "fail": Fail("no use"),
        "cancel": Cancel("no longer"),
        "error": KeyError("own"),
    }
    return {
        job.job_id: outcomes.get(job.payload.do, {"n": job.payload.n})
        for job in jobs
        if job.payload.do != "forget"
    }


@app.batch_handler("index", max_size=64, linger_ms=200, max_attempts=2, backoff=QUICK, timeout=20)
async def index(jobs: list[BatchJob[Item]]) -> dict[UUID, Any]:
    return await _run(jobs)


@app.batch_handler(
    "index-soon", max_size=8, linger_ms=100, by=None, max_attempts=1, backoff=QUICK, timeout=0.7
)
async def index_soon(jobs: list[BatchJob[Item]]) -> dict[UUID, Any]:
    return await _run(jobs)


@app.batch_handler("wrong", max_attempts=1)
async def wrong(jobs: list[BatchJob[Item]]) -> Any:
    return ["one too few"] * (len(jobs) - 1)
