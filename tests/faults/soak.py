"""A long run under a seeded schedule of faults, and the check that nothing was lost, repeated beyond reason, or taken back.

    cd tests && python -m faults.soak --minutes 30 --seed 1        (or: make soak MINUTES=30)

Two APIs, three workers; one of each reaches its engines through proxies that cut, slow down and swallow. The same seed gives the
same schedule. Exits with 1 if an invariant was broken.
"""

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import websockets
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from faults.breaking import Breaker, Link, linked
from faults.world import World, world

TENANTS = 5
BATCH = 150
PAUSE_S = 0.3  # between batches: about 400 jobs/s
FINAL = {"COMPLETED", "FAILED", "CANCELLED"}


@dataclass
class Found:
    """What the run measured."""

    acknowledged: list[str] = field(default_factory=list)
    own_ends: Counter[str] = field(default_factory=Counter)  # processes that ended unasked, by role and exit code
    answers: Counter[str] = field(default_factory=Counter)  # requests by status, or by what kept them from one
    regressions: int = 0
    watched: list["Watch"] = field(default_factory=list)
    slowest_answer_s: float = 0.0


@dataclass
class Watch:
    """One connection of a viewer: what it was told, from when to when."""

    tenant_id: str
    since: datetime
    until: datetime | None = None
    versions: dict[str, int] = field(default_factory=dict)
    final: set[str] = field(default_factory=set)


class Soak:
    """One run. Its parts are tasks over one World."""

    def __init__(self, broken: World, links: list[Link], minutes: float, seed: int) -> None:
        self.world = broken
        self.seconds = minutes * 60
        self.breaker = Breaker(broken, links, self.seconds, seed)
        self.random = random.Random(seed + 1)  # of the load; the faults have their own, or its pace would change them
        self.found = Found()
        self.over = asyncio.Event()

    async def run(self, progress: Progress) -> dict[str, Any]:
        shown = progress.add_task("breaking things", total=self.seconds)
        began = time.monotonic()
        parts = [
            asyncio.create_task(self._load()),
            asyncio.create_task(self._supervise()),
            *[asyncio.create_task(self._watch(n)) for n in range(2)],
        ]
        faults = asyncio.create_task(self.breaker.run())
        while not faults.done():
            progress.update(shown, completed=time.monotonic() - began)
            for part in parts:
                if part.done():
                    await part
            await asyncio.sleep(0.5)
        await faults
        parts[0].cancel()
        await self.world.all_ended(180)
        await asyncio.sleep(3)  # the tail of the stream: viewers learn of the last change within two seconds
        self.over.set()
        for part in parts[1:]:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        return await self._judge(time.monotonic() - began)

    async def _supervise(self) -> None:
        """What a service manager does: restarts at once, never gives up."""
        while True:
            for member in list(self.world.members):
                if not member.alive and not self.over.is_set():
                    code = member.process.returncode
                    if code != -signal.SIGKILL and not member.asked:
                        self.found.own_ends[f"{member.role} {code}"] += 1
                    member.start()
            await asyncio.sleep(0.05)

    async def _load(self) -> None:
        apis = [member for member in self.world.members if member.role == "api"]
        async with httpx.AsyncClient(timeout=8, trust_env=False) as http:
            while True:
                api = self.random.choice(apis)
                began = time.monotonic()
                try:
                    answer = await http.post(f"{api.url}/jobs/batch", json={"jobs": [self._job() for _ in range(BATCH)]})
                    self.found.answers[str(answer.status_code)] += 1
                    if answer.status_code == 201:
                        self.found.acknowledged += answer.json()["jobIds"]
                    else:
                        assert answer.status_code == 503, answer.text
                    self.found.slowest_answer_s = max(self.found.slowest_answer_s, time.monotonic() - began)
                except httpx.HTTPError as error:
                    self.found.answers[type(error).__name__] += 1
                await asyncio.sleep(PAUSE_S)

    def _job(self) -> dict[str, Any]:
        kind = self.random.random()
        work = {"ms": 1000} if kind < 0.02 else {"ms": 20} if kind < 0.2 else {"fail": True} if kind < 0.25 else {}
        return {"tenantId": f"tenant-{self.random.randrange(TENANTS)}", "type": "work", "payload": work}

    async def _watch(self, n: int) -> None:
        api = [member for member in self.world.members if member.role == "api"][n]
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException):
                async with websockets.connect(api.url.replace("http", "ws") + "/ws", max_queue=1000) as socket:
                    await socket.send(json.dumps({"type": "SUBSCRIBE", "tenantId": f"tenant-{n}", "batch": True}))
                    await socket.recv()
                    watch = Watch(f"tenant-{n}", datetime.now(UTC))
                    self.found.watched.append(watch)
                    try:
                        async for text in socket:
                            self._heard(watch, json.loads(text))
                    finally:
                        watch.until = datetime.now(UTC)
            await asyncio.sleep(0.2)

    def _heard(self, watch: Watch, message: dict[str, Any]) -> None:
        for update in message["updates"]:
            if update["version"] < watch.versions.get(update["jobId"], 0):
                self.found.regressions += 1
            watch.versions[update["jobId"]] = update["version"]
            if update["status"] in FINAL:
                watch.final.add(update["jobId"])

    async def _judge(self, seconds: float) -> dict[str, Any]:
        found, broke = self.found, self.breaker
        rows = await self.world.fetch("SELECT id, tenant_id, status::text, payload, lost, deaths, finished_at FROM jobs")
        by_id = {str(row["id"]): row for row in rows}
        executions = self.world.executions()
        starts = Counter(job_id for job_id, event, _ in executions if event == "start")
        planned = sum(1 for row in rows if '"fail": true' in row["payload"] and starts[str(row["id"])] > 1)
        memory = [psutil.Process(member.pid).memory_info().rss >> 20 for member in self.world.members if member.alive]
        return {
            "seconds": round(seconds),
            "faults": dict(broke.faults),
            "kills": sum(count for name, count in broke.faults.items() if name.startswith("kill a")),
            "jobs": len(rows),
            "acknowledged": len(found.acknowledged),
            "lost": sum(1 for job_id in found.acknowledged if job_id not in by_id or by_id[job_id]["status"] not in FINAL),
            "not completed": sum(1 for row in rows if row["status"] != "COMPLETED"),
            "duplicates": sum(starts.values()) - len(starts) - planned,
            "in flight at faults": broke.in_flight,
            "stale writes rejected": self.world.stale(),
            "forbidden changes": await self.world.value("SELECT count(*) FROM violations"),
            "rescues": len(broke.rescues_s) + len(broke.late_rescues_s),
            "rescue p50 s": _quantile(broke.rescues_s, 0.5),
            "rescue p99 s": _quantile(broke.rescues_s, 0.99),
            "longest rescue s": round(max([*broke.rescues_s, 0.0]), 2),
            "longest rescue after a Postgres fault s": round(max([*broke.late_rescues_s, 0.0]), 2),
            "versions gone back": found.regressions,
            "final states missed": sum(_missed(watch, rows, broke.outages) for watch in found.watched),
            "viewer connections": len(found.watched),
            "slowest answer s": round(found.slowest_answer_s, 2),
            "answers": dict(found.answers),
            "ended unasked": dict(found.own_ends),
            "largest process MB": max(memory, default=0),
        }


def _missed(watch: Watch, rows: list[Any], outages: list[tuple[datetime, datetime]]) -> int:
    """Final states that fell well within a connection and were not told on it.

    A row's time is its transaction's start: what began before an outage of Postgres may have been committed at its end, so a
    connection that broke within the margin after an outage is judged up to the outage's beginning only.
    """
    margin = timedelta(seconds=5)
    until = watch.until or datetime.now(UTC)
    for began, ended in outages:
        if began < until < ended + margin:
            until = began
    ended_within = (row for row in rows if row["tenant_id"] == watch.tenant_id and row["finished_at"])
    since = watch.since + timedelta(seconds=1)
    return sum(1 for row in ended_within if since < row["finished_at"] < until - margin and str(row["id"]) not in watch.final)


def _quantile(values: list[float], q: float) -> float | None:
    if len(values) < 2:
        return round(values[0], 2) if values else None
    return round(statistics.quantiles(values, n=100, method="inclusive")[round(q * 100) - 1], 2)


def broken_promises(result: dict[str, Any]) -> list[str]:
    """What must be zero and is not, and duplicates beyond the jobs that a fault struck."""
    zero = ("lost", "not completed", "forbidden changes", "versions gone back", "final states missed")
    broken = [f"{name}: {result[name]}" for name in zero if result[name]]
    # A worker that was frozen longer than its watchdog allows ends itself when it is thawed.
    if sum(result["ended unasked"].values()) > result["faults"].get("freeze a worker", 0):
        broken.append(f"processes ended unasked: {result['ended unasked']}")
    if result["duplicates"] > result["in flight at faults"]:
        broken.append(f"{result['duplicates']} duplicates, but only {result['in flight at faults']} jobs in flight at faults")
    return broken


async def soak(folder: Path, minutes: float, seed: int, progress: Progress) -> dict[str, Any]:
    """Runs it in a folder; returns what was found."""
    settings = {"MONOQ_LEASE": "10", "MONOQ_SLOTS": "200", "MONOQ_BATCH_SIZE": "50", "MONOQ_LOG_LEVEL": "warning"}
    async with world(folder, apis=1, workers=2, **settings) as broken, linked(broken, "api", "worker") as links:
        return {"seed": seed} | await Soak(broken, links, minutes, seed).run(progress)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--minutes", type=float, default=30)
    ask.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    ask.add_argument("--json", type=Path, help="write the result here, too")
    args = ask.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="monoq-soak-"))
    with Progress() as progress, contextlib.redirect_stdout(sys.stderr):
        result = asyncio.run(soak(folder, args.minutes, args.seed, progress))
    table = Table("", "", title=f"soak of {args.minutes:g} minutes, seed {args.seed}")
    for name, value in result.items():
        table.add_row(name, ", ".join(f"{key}: {count}" for key, count in value.items()) if isinstance(value, dict) else str(value))
    Console().print(table)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))
    if broken := broken_promises(result):
        sys.exit("broken: " + "; ".join(broken) + f"\nlogs: {folder}")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
