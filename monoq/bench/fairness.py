"""Fair shares: how long jobs of small tenants wait beside one with a large backlog, and how tenants
share the slots while all of them have work. What misses its aim is shown like the rest."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any, NamedTuple

import orjson

from monoq.bench.connection import Connection
from monoq.bench.measures import Samples
from monoq.bench.system import System
from monoq.errors import MonoqError

OTHERS, EVERY_S = 10, 0.1  # so many tenants submit a job each, so often
# seconds, for each minute that is asked for: how long they do; how long shares are looked at,
# and before that are given to settle
SUBMIT_S, SHARES_S, SETTLE_S = 4.0, 10.0, 10.0
SLOTS = 100  # where tenants share them
LENGTHS_MS = (10, 22, 46, 100, 215, 464, 1000, 2154, 4642, 10_000)
WEIGHTS = (1.0, 2.0, 4.0)
QUICK_STOP = {"MONOQ_SHUTDOWN_TIMEOUT": "1"}

WAITS = """
    SELECT count(*) AS jobs,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY waited)::float AS p50,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY waited)::float AS p99
    FROM (SELECT date_part('epoch', coalesce(started_at, clock_timestamp()) - run_at) * 1000
                     AS waited
          FROM jobs
          WHERE tenant_id LIKE 'other%' AND created_at >= $1 AND created_at < $2) AS waits"""
# What a tenant held of the slots between two moments.
HELD = """
    SELECT tenant_id,
           sum(date_part('epoch', least(coalesce(finished_at, $2), $2) - greatest(started_at, $1)))
    FROM jobs
    WHERE started_at < $2 AND coalesce(finished_at, $2) > $1
    GROUP BY 1"""


class Scene(NamedTuple):
    """One tenant's backlog: of which jobs, how many at most, and the worker's settings."""

    name: str
    job_type: str
    ms: int
    most: int | None = None
    settings: dict[str, str] = {}  # noqa: RUF012 - never changed


SCENES = (
    Scene("no-op", "bench-noop", 0),
    Scene("5 ms", "bench-async", 5),
    Scene("100 ms", "bench-async", 100),
    Scene("5 s, 100 slots", "bench-async", 5000, 1000, {"MONOQ_SLOTS": "100"}),
    Scene("def 100 ms, 16 threads", "bench-plain", 100, 10_000, {"MONOQ_THREADS": "16"}),
    Scene("isolated 200 ms, 2 children", "bench-isolated", 200, 1000, {"MONOQ_CHILDREN": "2"}),
)


async def fairness(system: System, jobs: int, minutes: float) -> AsyncIterator[Samples]:
    """The waits beside a backlog of `jobs`, scene by scene, then the shares of ten tenants."""
    async with system.api() as (port, _):
        for scene in SCENES:
            yield await _waits(
                system, port, scene, min(jobs, scene.most or jobs), SUBMIT_S * minutes
            )
        yield await _shares(system, port, "equal weights", [1.0] * len(LENGTHS_MS), minutes)
        weights = [WEIGHTS[n % len(WEIGHTS)] for n in range(len(LENGTHS_MS))]
        yield await _shares(system, port, "weights 1:2:4", weights, minutes)


async def _waits(system: System, port: int, scene: Scene, backlog: int, seconds: float) -> Samples:
    await system.clear()
    samples: Samples = {}
    worker = system.process("worker", settings=QUICK_STOP | scene.settings)
    with worker, closing(Connection(port)) as http:
        # the first job meets a worker, and a fork server, that are still starting
        await _post(http, "first", scene.job_type)
        await system.until("SELECT count(*) > 0 FROM jobs WHERE status = 'COMPLETED'")
        for label, size in (("alone", 0), (f"beside {backlog:,}", backlog)):
            await _fill(system, "large", scene.job_type, scene.ms, size)
            if size:
                await system.until("SELECT EXISTS (SELECT FROM jobs WHERE started_at > run_at)")
            began = await system.connection.fetchval("SELECT clock_timestamp()")
            ended = await _trickle(system, http, scene, seconds, bool(size))
            await asyncio.sleep(0.5)  # the last ones may still wait
            row = await system.connection.fetchrow(WAITS, began, ended)
            figure = f"fair: {scene.name}, {label}"
            samples[f"{figure}, p50 ms"], samples[f"{figure}, p99 ms"] = [row["p50"]], [row["p99"]]
            if size:
                samples[f"{figure}, jobs measured"] = [float(row["jobs"])]
                freed = await system.connection.fetchval(
                    "SELECT count(*) FROM jobs WHERE tenant_id = 'large' AND finished_at >= $1"
                    " AND finished_at < $2",
                    began,
                    ended,
                )
                took_s = (ended - began).total_seconds()
                release_ms = 1000 * took_s / freed if freed else float("inf")
                samples[f"{figure}, a slot is freed each ms"] = [release_ms]
    return samples


async def _trickle(
    system: System, http: Connection, scene: Scene, seconds: float, while_backlog: bool
) -> Any:
    """Until when others submitted: at most until the backlog has all been started."""
    end = time.monotonic() + seconds
    left = "SELECT count(*) > 0 FROM waiting_jobs WHERE tenant_id = 'large'"
    while time.monotonic() < end:
        due = time.monotonic() + EVERY_S
        for tenant in range(OTHERS):
            await _post(http, f"other{tenant}", scene.job_type)
        if while_backlog and not await system.connection.fetchval(left):
            break
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    return await system.connection.fetchval("SELECT clock_timestamp()")


async def _shares(
    system: System, port: int, label: str, weights: list[float], minutes: float
) -> Samples:
    shares_s, settle_s = SHARES_S * minutes, SETTLE_S * minutes
    await system.clear()
    with closing(Connection(port)) as http:
        for number, (ms, weight) in enumerate(zip(LENGTHS_MS, weights, strict=True)):
            body = orjson.dumps({"weight": weight})
            status, answer = await http.put(f"/tenants/tenant{number}", body)
            if status != 200:
                raise MonoqError(f"the server answered {status}: {answer.decode()[:200]}")
            # three times an even share; whether somebody had none left is looked at in the end
            even = SLOTS / len(weights) * (shares_s + settle_s) * 1000 / ms
            most = int(3 * even) + 2 * SLOTS
            await _fill(system, f"tenant{number}", "bench-async", ms, most)
        await system.connection.execute("VACUUM (ANALYZE) jobs, waiting_jobs", timeout=600)
        with system.process("worker", settings=QUICK_STOP | {"MONOQ_SLOTS": str(SLOTS)}):
            await system.until("SELECT EXISTS (SELECT FROM jobs WHERE started_at IS NOT NULL)")
            await asyncio.sleep(settle_s)
            began = await system.connection.fetchval("SELECT clock_timestamp()")
            await asyncio.sleep(shares_s)
            ended = await system.connection.fetchval("SELECT clock_timestamp()")
            held = dict(await system.connection.fetch(HELD, began, ended))
            idle = await system.connection.fetchval(
                "SELECT count(*) FROM generate_series(0, $1) AS n WHERE NOT EXISTS"
                " (SELECT FROM waiting_jobs WHERE tenant_id = 'tenant' || n)",
                len(weights) - 1,
            )
        for number in range(len(weights)):
            await http.put(f"/tenants/tenant{number}", b"{}")
    if idle:
        raise MonoqError(f"{idle} tenants had no jobs left: the figure would be wrong")
    seconds = [held.get(f"tenant{number}", 0.0) for number in range(len(weights))]
    by_weight = [one / weight for one, weight in zip(seconds, weights, strict=True)]
    mean = sum(by_weight) / len(by_weight)
    return {
        f"shares: {label}, Jain's index": [
            sum(by_weight) ** 2 / (len(by_weight) * sum(one**2 for one in by_weight))
        ],
        f"shares: {label}, worst of mean, %": [max(100 * abs(one / mean - 1) for one in by_weight)],
        f"shares: {label}, slots used, %": [
            100 * sum(seconds) / (SLOTS * (ended - began).total_seconds())
        ],
    } | {
        f"shares: {label}, jobs of {ms:,} ms, weight {weight:g}, %": [100 * one / sum(seconds)]
        for ms, weight, one in zip(LENGTHS_MS, weights, seconds, strict=True)
    }


async def _fill(system: System, tenant: str, job_type: str, ms: int, jobs: int) -> None:
    for first in range(0, jobs, 50_000):
        await system.connection.execute(
            "INSERT INTO jobs (tenant_id, type, payload)"
            " SELECT $1, $2, jsonb_build_object('ms', $3::int) FROM generate_series(1, $4::int)",
            tenant,
            job_type,
            ms,
            min(50_000, jobs - first),
            timeout=120,
        )


async def _post(http: Connection, tenant: str, job_type: str) -> None:
    body = orjson.dumps({"tenantId": tenant, "type": job_type, "payload": {}})
    status, answer = await http.post("/jobs", body)
    if status != 201:
        raise MonoqError(f"the server answered {status}: {answer.decode()[:200]}")
