"""Ordinary work: many tenants and kinds of jobs at once, and one tenant that has more than all
others. What is measured is how long jobs wait; what must be so is checked."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import orjson

from monoq.bench.connection import Connection
from monoq.bench.measures import ALL_DONE, Samples
from monoq.bench.system import System, peak_memory_mb
from monoq.errors import MonoqError

TENANTS = 1000
LOAD = 0.7  # of what the machine can do of this mix
FAILING, DELAYED = 0.05, 0.1
STEP_S = 0.05  # jobs are submitted in a batch this often
CALIBRATION_JOBS = 3000
SETTLE_S = 2.0  # the first jobs meet cold caches and a worker that knows no pace yet
# Share, type, milliseconds. What computes, and what forks, is rare: it is most of the machine's
# time.
KINDS = (
    (0.50, "bench-noop", 0),
    (0.18, "bench-async", 10),
    (0.12, "bench-async", 100),
    (0.02, "bench-async", 5000),
    (0.10, "bench-plain", 50),
    (0.01, "bench-isolated", 200),
    (0.01, "bench-cpu", 20),
    (0.06, "bench-payload", 0),
)

WAITS = """
    SELECT type || CASE WHEN payload ? 'ms' AND (payload->>'ms')::int > 0
                        THEN ' ' || (payload->>'ms') || ' ms' ELSE '' END AS kind,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY waited)::float AS p50,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY waited)::float AS p99
    FROM (SELECT *, extract(epoch FROM started_at - run_at) * 1000 AS waited
          FROM jobs WHERE created_at >= $1 AND finished_at IS NOT NULL) AS ended
    GROUP BY 1 ORDER BY 1"""
WORST_TENANT = """
    SELECT max(p99)::float
    FROM (SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY waited) AS p99
          FROM (SELECT tenant_id, extract(epoch FROM started_at - run_at) * 1000 AS waited
                FROM jobs WHERE created_at >= $1 AND finished_at IS NOT NULL) AS ended
          GROUP BY tenant_id) AS tenants"""


async def mixed(system: System, minutes: float) -> AsyncIterator[Samples]:
    """A thousand tenants with all kinds of jobs, at 70 % of what this machine can do of them."""
    await system.clear()
    rng = random.Random(14)  # noqa: S311 - the same jobs each time
    async with system.api() as (port, api):
        with system.process("worker") as worker, closing(Connection(port)) as http:
            await system.until("SELECT count(*) > 0 FROM workers")
            per_s = LOAD * await _capacity(system, http, rng)
            began = await system.connection.fetchval(
                "SELECT clock_timestamp() + $1 * interval '1 s'", SETTLE_S
            )
            submitted, end, due = 0, time.monotonic() + minutes * 60, 0.0
            while (now := time.monotonic()) < end:
                due += per_s * STEP_S
                jobs = [_job(rng) for _ in range(int(due))]
                due -= len(jobs)
                submitted += len(jobs)
                if jobs:
                    await _post(http, jobs)
                await asyncio.sleep(max(0.0, now + STEP_S - time.monotonic()))
            await system.until(ALL_DONE, every_s=0.25)
            memory = {"worker": peak_memory_mb([worker]), "API": peak_memory_mb([api])}
    failed, wrong = await system.connection.fetchrow(
        """SELECT count(*) FILTER (WHERE status <> 'COMPLETED'),
                  count(*) FILTER (
                      WHERE attempts <> 1 + coalesce((payload->'fail')::boolean, false)::int)
           FROM jobs"""
    )
    samples = {
        "mix, jobs /s": [per_s],
        "mix, jobs": [float(submitted)],
        "mix, FAILED": [float(failed)],
        "mix, runs too many": [float(wrong)],
    }
    for kind, p50, p99 in await system.connection.fetch(WAITS, began, timeout=300):
        samples |= {f"mix, wait {kind}, p50 ms": [p50], f"mix, wait {kind}, p99 ms": [p99]}
    samples["mix, wait, worst tenant's p99 ms"] = [
        await system.connection.fetchval(WORST_TENANT, began, timeout=300)
    ]
    samples |= {f"mix, {part} MB": [mb] for part, mb in memory.items() if mb}
    yield samples


async def beside(system: System, jobs: int, rounds: int) -> AsyncIterator[Samples]:
    """One tenant drains at full speed; ten others have a job each 100 ms. And the same with nobody
    beside them."""
    async with system.api() as (port, _):
        with system.process("worker"), closing(Connection(port)) as http:
            await system.until("SELECT count(*) > 0 FROM workers")
            for _ in range(rounds):
                samples: Samples = {}
                for label, backlog in (("alone", 0), ("beside one who drains", jobs)):
                    await system.clear_jobs()
                    began = await system.connection.fetchval("SELECT clock_timestamp()")
                    pouring = asyncio.create_task(_pour(port, backlog))
                    waited = await _trickle(http, 10, 0.1, 4.0)
                    await pouring
                    await system.until(ALL_DONE, every_s=0.1)
                    p50, p99 = await system.connection.fetchrow(
                        """SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY w)::float,
                                  percentile_cont(0.99) WITHIN GROUP (ORDER BY w)::float
                           FROM (SELECT extract(epoch FROM started_at - run_at) * 1000 AS w
                                 FROM jobs
                                 WHERE created_at >= $1 AND tenant_id LIKE 'other%') AS j""",
                        began,
                    )
                    assert waited
                    samples |= {
                        f"no-op {label}, wait p50 ms": [p50],
                        f"no-op {label}, wait p99 ms": [p99],
                    }
                yield samples


async def _pour(port: int, jobs: int) -> None:
    with closing(Connection(port)) as http:
        for first in range(0, jobs, 2000):
            await _post(
                http,
                [
                    {"tenantId": "large", "type": "bench-noop", "payload": {"n": n}}
                    for n in range(first, first + 2000)
                ],
            )


async def _trickle(http: Connection, tenants: int, every_s: float, seconds: float) -> int:
    sent, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for tenant in range(tenants):
            await _post(http, [{"tenantId": f"other{tenant}", "type": "bench-noop", "payload": {}}])
            sent += 1
            await asyncio.sleep(every_s / tenants)
    return sent


async def _capacity(system: System, http: Connection, rng: random.Random) -> float:
    """How many jobs of this mix the machine ends in a second, those of 5 s left out: they only
    wait."""
    drawn = [_job(rng) for _ in range(CALIBRATION_JOBS)]
    jobs = [job for job in drawn if job["payload"].get("ms") != 5000]
    for job in jobs:
        job.pop("delayMs", None)
    began = time.monotonic()
    for first in range(0, len(jobs), 500):
        await _post(http, jobs[first : first + 500])
    await system.until(ALL_DONE, every_s=0.1)
    return len(jobs) / (time.monotonic() - began)


def _job(rng: random.Random) -> dict[str, Any]:
    _, job_type, ms = rng.choices(KINDS, [share for share, *_ in KINDS])[0]
    payload: dict[str, Any] = {"ms": ms} if ms else {}
    if job_type == "bench-payload":
        payload["data"] = "x" * int(10 ** rng.uniform(2, 6))
    if job_type != "bench-noop" and rng.random() < FAILING:
        payload["fail"] = True
    job: dict[str, Any] = {
        "tenantId": f"t{rng.randrange(TENANTS)}",
        "type": job_type,
        "payload": payload,
    }
    if rng.random() < DELAYED:
        job["delayMs"] = rng.randrange(100, 3000)
    return job


async def _post(http: Connection, jobs: list[dict[str, Any]]) -> None:
    status, answer = await http.post("/jobs/batch", orjson.dumps({"jobs": jobs}))
    if status != 201:
        raise MonoqError(f"the server answered {status}: {answer.decode()[:200]}")
