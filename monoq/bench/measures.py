"""What is measured: submitting, draining, pickup, and how the cost of a job grows. Every figure
counts each job exactly once."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, closing

import asyncpg
import orjson

from monoq.bench.connection import Connection
from monoq.bench.system import System, peak_memory_mb
from monoq.errors import MonoqError
from monoq.job import NewJob
from monoq.submitting.insert import submit

BULK = 1000
CONCURRENT = 32

# By the counters: looks at the rows themselves would be part of what is measured. With a thousand
# tenants even these are, if frequent.
ALL_DONE = """SELECT coalesce(sum(jobs), 0) = 0
FROM (SELECT status, jobs FROM job_counts
      UNION ALL SELECT status, jobs FROM job_count_changes) AS counted
WHERE status IN ('PENDING', 'RUNNING')"""

Samples = dict[str, list[float]]  # figure → one value per round; the name carries the unit
Measure = Callable[..., AsyncIterator[Samples]]


async def submitting(system: System, jobs: int, rounds: int) -> AsyncIterator[Samples]:
    """Jobs a second: over HTTP one call after the other, 32 at once, 1,000 a call by one and by
    four callers; and through monoq.submit. And the memory of the API, which is to stay the same
    however many it has taken."""
    few = max(jobs // 25, 100)
    async with system.api() as (port, api):
        for _ in range(rounds):
            await system.clear()
            samples = {
                "submit, 1 caller /s": [await _posted(port, "/jobs", _singles(few), 1, few)],
                "submit, 32 callers /s": [
                    await _posted(port, "/jobs", _singles(jobs // 5), CONCURRENT, jobs // 5)
                ],
                "submit 1,000 a call, 1 caller /s": [
                    await _posted(port, "/jobs/batch", _batches(jobs), 1, jobs)
                ],
                "submit 1,000 a call, 4 callers /s": [
                    await _posted(port, "/jobs/batch", _batches(jobs), 4, jobs)
                ],
                "monoq.submit, 1 a call /s": [await _submitted(system.connection, few, 1)],
                "monoq.submit, 1,000 a call /s": [await _submitted(system.connection, jobs, BULK)],
            }
            if memory := peak_memory_mb([api]):
                samples["submit, API MB"] = [memory]
            yield samples


async def draining(
    system: System, jobs: int, rounds: int, workers: int = 1, tenants: int = 8, label: str = "drain"
) -> AsyncIterator[Samples]:
    """N jobs wait; from the first start to the last commit."""
    for _ in range(rounds):
        await system.clear()
        await system.fill(jobs, tenants)
        yield await _drain(system, jobs, workers, label)


async def latency(system: System, jobs: int, rounds: int) -> AsyncIterator[Samples]:
    """Milliseconds on an idle system from before the POST to the handler's start."""
    async with system.api() as (port, _):
        with closing(Connection(port)) as http, system.process("worker"):
            await system.until("SELECT count(*) > 0 FROM workers")
            await asyncio.sleep(1)
            for _ in range(rounds):
                waits = [await _pickup(http) for _ in range(max(jobs // 100, 50))]
                cuts = statistics.quantiles(waits, n=100, method="inclusive")
                yield {"pickup p50 ms": [cuts[49]], "pickup p99 ms": [cuts[98]]}


async def scaling(
    system: System, jobs: int, rounds: int, histories: tuple[int, ...], tenants: tuple[int, ...]
) -> AsyncIterator[Samples]:
    """How a drain's rate changes with finished rows in the table, and with tenants waiting."""
    for count in tenants:
        async for samples in draining(
            system, jobs, rounds, tenants=count, label=f"drain with {count:,} tenants"
        ):
            yield samples
    there = 0
    await system.clear()
    for count in histories:
        await system.history(count - there)
        there = count
        for _ in range(rounds):
            await system.fill(jobs, 8)
            yield await _drain(
                system, jobs, 1, f"drain over {count:,} finished jobs", finished_before=there
            )
            there += jobs


async def _drain(
    system: System, jobs: int, workers: int, label: str, finished_before: int = 0
) -> Samples:
    began = await system.connection.fetchval("SELECT clock_timestamp()")
    with ExitStack() as processes:
        started = [processes.enter_context(system.process("worker")) for _ in range(workers)]
        await system.until("SELECT count(*) >= $1 FROM workers", workers)
        before = await system.cpu_seconds(started)
        await system.until(ALL_DONE, every_s=0.25)
        after = await system.cpu_seconds(started)
        memory = peak_memory_mb(started)
    seconds, done, runs = await system.connection.fetchrow(
        """SELECT extract(epoch FROM max(finished_at) - min(started_at))::float,
                  count(*), sum(claim)
           FROM jobs WHERE started_at >= $1 AND status = 'COMPLETED'""",
        began,
        timeout=300,
    )
    if (done, runs) != (jobs, jobs):
        raise MonoqError(
            f"of {jobs} jobs {done} completed, in {runs} runs: the figure would be wrong"
        )
    samples = {f"{label} /s": [jobs / seconds]}
    for part in before.keys() & after.keys():
        samples[f"{label}, CPU of {part}, µs/job"] = [(after[part] - before[part]) / jobs * 1e6]
    if memory:
        samples[f"{label}, worker MB"] = [memory]
    return samples


async def _posted(port: int, path: str, bodies: list[bytes], callers: int, jobs: int) -> float:
    """Jobs a second; each caller has one request in progress."""
    waiting = iter(bodies)
    answers: list[tuple[int, bytes]] = []

    async def call() -> None:
        with closing(Connection(port)) as http:
            for body in waiting:
                answers.append(await http.post(path, body))

    began = time.perf_counter()
    await asyncio.gather(*[call() for _ in range(callers)])
    seconds = time.perf_counter() - began
    if refused := next((answer for answer in answers if answer[0] != 201), None):
        raise MonoqError(f"the server answered {refused[0]}: {refused[1].decode()[:200]}")
    accepted = [orjson.loads(body) for _, body in answers]
    ids = {job_id for answer in accepted for job_id in answer.get("jobIds") or [answer["jobId"]]}
    if len(ids) != jobs:
        raise MonoqError(f"{len(ids)} of {jobs} jobs were accepted: the figure would be wrong")
    return jobs / seconds


async def _submitted(connection: asyncpg.Connection, jobs: int, at_once: int) -> float:
    """Jobs a second through `monoq.submit`, one call after the other."""
    began = time.perf_counter()
    for first in range(0, jobs, at_once):
        await submit(
            connection,
            *[
                NewJob(f"t{n & 7}", "bench-noop", {"n": n})
                for n in range(first, min(jobs, first + at_once))
            ],
        )
    return jobs / (time.perf_counter() - began)


def _job(n: int) -> dict[str, object]:
    return {"tenantId": f"t{n & 7}", "type": "bench-noop", "payload": {"n": n}}


def _singles(jobs: int) -> list[bytes]:
    return [orjson.dumps(_job(n)) for n in range(jobs)]


def _batches(jobs: int) -> list[bytes]:
    return [
        orjson.dumps({"jobs": [_job(n) for n in range(first, min(jobs, first + BULK))]})
        for first in range(0, jobs, BULK)
    ]


async def _pickup(http: Connection) -> float:
    before_us = time.time_ns() / 1000
    _, answer = await http.post("/jobs", b'{"tenantId":"t","type":"bench-clock","payload":null}')
    path = f"/jobs/{orjson.loads(answer)['jobId']}"
    while True:
        job = orjson.loads((await http.get(path))[1])
        if job["status"] not in ("PENDING", "RUNNING"):
            break
        await asyncio.sleep(0.002)
    if job["status"] != "COMPLETED":
        raise MonoqError(f"a job of the benchmark {job['status']}: {job['error']}")
    return float(job["result"] - before_us) / 1e3
