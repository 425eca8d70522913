"""Measures what the promises about faults say in seconds: rescue, freeze, wipe, outage.

cd tests && python -m faults.measure [rescue] [frozen] [wipe] [redis-away] [postgres-frozen]
[held-open]     (or: make measure)

Real processes on engines of their own, default settings. Nothing else should run beside it.
"""

import asyncio
import contextlib
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
from conftest import eventually
from rich.console import Console
from rich.progress import track

from faults.light import Memory, connect
from faults.load import JOB
from faults.member import Member
from faults.viewer import watching
from faults.world import World, world

KILLS = 50
POSTGRES_FROZEN_S = 30.0


async def rescue(folder: Path) -> str:
    """From `kill -9` of a busy worker until none of its jobs is RUNNING any more."""
    times: list[float] = []
    async with world(folder, workers=3, MONOQ_LEASE="10", MONOQ_SLOTS="50") as broken:
        await broken.trusted()
        for _ in track(range(KILLS), "killing"):
            await broken.submit_sql("work", '{"ms": 500}', 60)
            victim = await broken.busy_worker()
            victim.kill()
            killed = time.monotonic()
            await eventually(partial(_freed, broken, victim))
            times.append(time.monotonic() - killed)
            victim.start()
            await broken.is_up(victim)
            await broken.all_ended()
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return f"{KILLS} kills: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, longest {max(times):.2f} s"


async def frozen(folder: Path) -> str:
    """From SIGSTOP of a busy worker until none of its jobs is RUNNING any more."""
    times: list[float] = []
    async with world(folder, workers=3, MONOQ_LEASE="10", MONOQ_SLOTS="50") as broken:
        await broken.trusted()
        for _ in track(range(5), "freezing"):
            await broken.submit_sql("work", '{"ms": 500}', 60)
            victim = await broken.busy_worker()
            victim.freeze()
            began = time.monotonic()
            await eventually(partial(_freed, broken, victim), timeout=30)
            times.append(time.monotonic() - began)
            victim.kill()
            victim.start()
            await broken.is_up(victim)
            await broken.all_ended()
    return (
        f"{len(times)} freezes: median {statistics.median(times):.2f} s, longest {max(times):.2f} s"
    )


async def wipe(folder: Path) -> str:
    """From FLUSHALL with 100,000 jobs waiting until the next claim, and the next thousand."""
    firsts: list[float] = []
    async with world(folder, MONOQ_LEASE="10") as broken:
        await broken.submit_sql("work", '{"ms": 20}', 100_000)
        await broken.is_up(broken.member("worker"))
        await eventually(lambda: _started(broken, 1000))
        for _ in track(range(10), "wiping"):
            await broken.cache("FLUSHALL")
            wiped = await broken.value("SELECT clock_timestamp()")
            await eventually(
                partial(broken.value, "SELECT count(*) > 0 FROM jobs WHERE started_at > $1", wiped)
            )
            firsts.append(
                await broken.value(
                    (
                        "SELECT extract(epoch FROM min(started_at) - $1)::float FROM jobs "
                        "WHERE started_at > $1"
                    ),
                    wiped,
                )
            )
    return (
        f"{len(firsts)} wipes: first claim after {statistics.median(firsts) * 1000:.0f} ms "
        f"(longest {max(firsts) * 1000:.0f} ms)"
    )


async def redis_away(folder: Path) -> str:
    """Jobs a second and answers while Redis is stopped for 60 s, beside the 20 s before it."""
    async with world(folder, apis=1, workers=2, MONOQ_LEASE="10") as broken:
        statuses: list[int] = []
        stop = asyncio.Event()
        slowest: list[float] = []

        async def post() -> None:
            async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
                while not stop.is_set():
                    began = time.monotonic()
                    jobs = [{"tenantId": f"t{n % 5}", "type": "work"} for n in range(500)]
                    answer = await http.post(
                        f"{broken.apis[0].url}/jobs/batch", json={"jobs": jobs}
                    )
                    slowest.append(time.monotonic() - began)
                    statuses.append(answer.status_code)

        posting = [asyncio.create_task(post()) for _ in range(2)]
        await eventually(lambda: _started(broken, 20_000), timeout=60, every=0.2)  # warm
        before = await _rate(broken, 20)
        with_redis = max(slowest)
        slowest.clear()
        broken.redis_process().suspend()
        during = await _rate(broken, 60)
        without = max(slowest)
        broken.redis_process().resume()
        after = await _rate(broken, 10)
        stop.set()
        await asyncio.gather(*posting)
        bad = sum(status >= 500 for status in statuses)
        await broken.all_ended(300)
    return (
        f"{before:,.0f} jobs/s before, {during:,.0f} during ({during / before:.0%}), "
        f"{after:,.0f} after; "
        f"{bad} of {len(statuses)} answers were 5xx; slowest answer {with_redis:.2f} s before, "
        f"{without:.2f} s during"
    )


async def postgres_frozen(folder: Path) -> str:
    """Answers while every process of Postgres is stopped for 30 s."""
    async with world(folder, apis=1, workers=1, MONOQ_LEASE="10") as broken:
        slowest, statuses, stop = [0.0], [0], asyncio.Event()

        async def ask(method: str, path: str, body: object) -> None:
            async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
                while not stop.is_set():
                    began = time.monotonic()
                    answer = await http.request(method, f"{broken.apis[0].url}{path}", json=body)
                    slowest.append(time.monotonic() - began)
                    statuses.append(answer.status_code)

        asked = [("POST", "/jobs", JOB)] * 4 + [
            ("GET", "/jobs?tenantId=acme", None),
            ("GET", "/health", None),
            ("GET", "/tenants", None),
        ]
        asking = [asyncio.create_task(ask(*one)) for one in asked]
        await eventually(lambda: len(statuses) > 500)  # warm
        broken.freeze_postgres()
        slowest.clear()
        await asyncio.sleep(POSTGRES_FROZEN_S)
        broken.thaw_postgres()
        stop.set()
        await asyncio.gather(*asking)
        await broken.all_ended()
        alive = all(member.alive for member in broken.members)
    return (
        f"slowest answer {max(slowest):.2f} s; statuses {sorted(set(statuses) - {0})}; all "
        f"processes lived on: {alive}"
    )


async def held_open(folder: Path) -> str:
    """What the API uses in a minute of load without, and in one with a transaction that is open all
    the while in another database."""
    async with (
        world(folder, apis=1, workers=1, MONOQ_LEASE="10") as broken,
        watching(broken.apis[0]) as one,
        watching(broken.apis[0]) as two,
    ):
        await broken.fetch("CREATE DATABASE other")
        (member,) = broken.apis
        api = psutil.Process(member.pid)
        ids: list[str] = []

        async def load(seconds: float) -> str:
            """30 jobs ten times a second."""
            used, began, jobs = sum(api.cpu_times()[:2]), time.monotonic(), len(ids)
            before = api.memory_info().rss
            while time.monotonic() < began + seconds:
                ids.extend(await broken.submit([JOB] * 30))
                await asyncio.sleep(0.1)
            took = time.monotonic() - began
            cpu = (sum(api.cpu_times()[:2]) - used) / took
            after = api.memory_info().rss
            return (
                f"{(len(ids) - jobs) / took:.0f} jobs/s, CPU {cpu:.0%}, {before / 2**20:.1f} "
                f"MB before, {after / 2**20:.1f} MB after"
            )

        async def replayed() -> str:
            """What one is told who comes back with a fresh cursor."""
            memory = Memory()
            connection = await connect(memory, member.port, frames=1)
            await connection.closed
            connection = await connect(memory, member.port)
            await eventually(lambda: memory.caught_up_at or memory.resets)
            connection.transport.abort()
            return "a RESET" if memory.resets else f"{len(memory.versions)} jobs"

        await load(15)
        without, few = await load(60), await replayed()
        other = await broken.connect_to("other")
        transaction = other.transaction()
        await transaction.start()
        await other.fetchval("SELECT pg_current_xact_id()")
        during, many = await load(60), await replayed()
        (age,) = re.findall(
            r"^monoq_horizon_age_seconds (\S+)$",
            (await broken.http.get(f"{member.url}/metrics")).text,
            re.MULTILINE,
        )
        await transaction.rollback()
        await other.close()
        for viewer in (one, two):
            await viewer.knows(ids)
        told = member.said().count(
            "long-running transaction slows reads of changes, open for 30 s: database other"
        )
    return (
        f"without: {without}, a replay brings {few}; with: {during}, a replay brings {many}; age "
        f"{float(age):.0f} s, warnings {told}; "
        f"both viewers know the end of all {len(ids)} jobs"
    )


async def _freed(broken: World, member: Member) -> bool:
    return await broken.running_on(member) == 0


async def _started(broken: World, count: int) -> bool:
    return bool(
        await broken.value("SELECT count(*) > $1 FROM jobs WHERE started_at IS NOT NULL", count)
    )


async def _rate(broken: World, seconds: float) -> float:
    sql = (
        "SELECT coalesce(sum(jobs), 0)::bigint FROM (SELECT status, jobs FROM job_counts "
        "UNION ALL SELECT status, jobs FROM job_count_changes) c WHERE status = 'COMPLETED'"
    )
    first, began = await broken.value(sql), time.monotonic()
    await asyncio.sleep(seconds)
    return float(await broken.value(sql) - first) / (time.monotonic() - began)


MEASURES: dict[str, Callable[[Path], Coroutine[Any, Any, str]]] = {
    "rescue": rescue,
    "frozen": frozen,
    "wipe": wipe,
    "redis-away": redis_away,
    "postgres-frozen": postgres_frozen,
    "held-open": held_open,
}


def main() -> None:
    for name in sys.argv[1:] or MEASURES:
        folder = Path(tempfile.mkdtemp(prefix="monoq-measure-"))
        with contextlib.redirect_stdout(sys.stderr):
            found = asyncio.run(MEASURES[name](folder))
        Console().print(f"[bold]{name}[/bold]: {found}", soft_wrap=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
