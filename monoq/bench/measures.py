"""What is measured: submitting, draining, pickup, and how the cost of a job grows. Every figure counts each job exactly once."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack

import asyncpg
import httpx
import orjson

from monoq.bench.stage import Stage, cpu_seconds
from monoq.errors import MonoqError
from monoq.job import NewJob
from monoq.submit import submit

BULK = 1000
CONCURRENT = 32

Samples = dict[str, list[float]]  # figure → one value per round; the name carries the unit
Measure = Callable[..., AsyncIterator[Samples]]


async def submitting(stage: Stage, jobs: int, rounds: int) -> AsyncIterator[Samples]:
    """Jobs a second: one call after the other, 32 at once, in batches of 1,000, and through monoq.submit."""
    async with stage.api() as http:
        for _ in range(rounds):
            await stage.clear()
            few = max(jobs // 50, 100)
            yield {
                "submit one by one, httpx /s": [await _rate(few, _posts(http, few, 1))],
                "submit 32 at once, httpx /s": [await _rate(jobs // 10, _posts(http, jobs // 10, CONCURRENT))],
                "submit bulk over HTTP /s": [await _rate(jobs, _batches(http, jobs))],
                "submit bulk in Python /s": [await _rate(jobs, _submits(stage.connection, jobs))],
            }


async def draining(
    stage: Stage, jobs: int, rounds: int, workers: int = 1, tenants: int = 8, label: str = "drain"
) -> AsyncIterator[Samples]:
    """N jobs wait; from the first start to the last commit."""
    for _ in range(rounds):
        await stage.clear()
        await stage.fill(jobs, tenants)
        yield await _drain(stage, jobs, workers, label)


async def latency(stage: Stage, jobs: int, rounds: int) -> AsyncIterator[Samples]:
    """Milliseconds on an idle system from before the POST to the handler's start."""
    async with stage.api() as http:
        with stage.process("worker"):
            await stage.until("SELECT count(*) > 0 FROM workers")
            await asyncio.sleep(1)
            for _ in range(rounds):
                waits = [await _pickup(http) for _ in range(max(jobs // 100, 50))]
                cuts = statistics.quantiles(waits, n=100, method="inclusive")
                yield {"pickup p50 ms": [cuts[49]], "pickup p99 ms": [cuts[98]]}


async def scaling(stage: Stage, jobs: int, rounds: int, histories: tuple[int, ...], tenants: tuple[int, ...]) -> AsyncIterator[Samples]:
    """How a drain's rate changes with finished rows in the table, and with tenants waiting."""
    for count in tenants:
        async for samples in draining(stage, jobs, rounds, tenants=count, label=f"drain with {count:,} tenants"):
            yield samples
    there = 0
    await stage.clear()
    for count in histories:
        await stage.history(count - there)
        there = count
        for _ in range(rounds):
            await stage.fill(jobs, 8)
            yield await _drain(stage, jobs, 1, f"drain over {count:,} finished jobs", finished_before=there)
            there += jobs


async def _drain(stage: Stage, jobs: int, workers: int, label: str, finished_before: int = 0) -> Samples:
    began = await stage.connection.fetchval("SELECT clock_timestamp()")
    with ExitStack() as processes:
        started = [processes.enter_context(stage.process("worker")) for _ in range(workers)]
        await stage.until("SELECT count(*) >= $1 FROM workers", workers)
        cpu_before = [cpu_seconds(process.pid) for process in started]
        await stage.until("SELECT NOT EXISTS (SELECT FROM jobs WHERE status IN ('PENDING', 'RUNNING'))")
        cpu_after = [cpu_seconds(process.pid) for process in started]
    seconds, done, runs = await stage.connection.fetchrow(
        """SELECT extract(epoch FROM max(finished_at) - min(started_at))::float, count(*), sum(claim)
           FROM jobs WHERE started_at >= $1 AND status = 'COMPLETED'""",
        began,
        timeout=300,
    )
    if (done, runs) != (jobs, jobs):
        raise MonoqError(f"of {jobs} jobs {done} completed, in {runs} runs: the figure would be wrong")
    samples = {f"{label} /s": [jobs / seconds]}
    spent = [after - before for before, after in zip(cpu_before, cpu_after, strict=True) if before is not None and after is not None]
    if spent:
        samples[f"{label}, worker CPU µs/job"] = [sum(spent) / jobs * 1e6]
    return samples


async def _rate(jobs: int, work: AsyncIterator[int]) -> float:
    began, done = time.perf_counter(), 0
    async for count in work:
        done += count
    if done != jobs:
        raise MonoqError(f"{done} of {jobs} jobs were accepted: the figure would be wrong")
    return jobs / (time.perf_counter() - began)


async def _posts(http: httpx.AsyncClient, jobs: int, concurrent: int) -> AsyncIterator[int]:
    numbers = iter(range(jobs))
    accepted: list[int] = []

    async def post() -> None:
        for n in numbers:
            body = orjson.dumps({"tenantId": f"t{n & 7}", "type": "bench-noop", "payload": {"n": n}})
            answer = await http.post("/jobs", content=body, headers={"content-type": "application/json"})
            accepted.append(answer.status_code == 201)

    await asyncio.gather(*[post() for _ in range(concurrent)])
    yield sum(accepted)


async def _batches(http: httpx.AsyncClient, jobs: int) -> AsyncIterator[int]:
    for first in range(0, jobs, BULK):
        batch = [{"tenantId": f"t{n & 7}", "type": "bench-noop", "payload": {"n": n}} for n in range(first, min(jobs, first + BULK))]
        answer = await http.post("/jobs/batch", content=orjson.dumps({"jobs": batch}), headers={"content-type": "application/json"})
        yield len(answer.json()["jobIds"])


async def _submits(connection: asyncpg.Connection, jobs: int) -> AsyncIterator[int]:
    for first in range(0, jobs, BULK):
        batch = [NewJob(f"t{n & 7}", "bench-noop", {"n": n}) for n in range(first, min(jobs, first + BULK))]
        yield len(await submit(connection, *batch))


async def _pickup(http: httpx.AsyncClient) -> float:
    before_us = time.time_ns() / 1000
    answer = await http.post("/jobs", json={"tenantId": "t", "type": "bench-clock", "payload": None})
    job_id = answer.json()["jobId"]
    while (job := (await http.get(f"/jobs/{job_id}")).json())["status"] in ("PENDING", "RUNNING"):  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    if job["status"] != "COMPLETED":
        raise MonoqError(f"a job of the benchmark {job['status']}: {job['error']}")
    return float(job["result"] - before_us) / 1e3
