"""What a soak has found: the notes it takes, and the judgement of what was lost, repeated beyond
reason, or taken back."""

import statistics
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil

from faults.breaking import Breaker
from faults.world import World

FINAL = {"COMPLETED", "FAILED", "CANCELLED"}
# within which a change may still be on its way when a connection ends
MARGIN = timedelta(seconds=5)


@dataclass
class Found:
    """What the run measured."""

    acknowledged: list[str] = field(default_factory=list)
    # processes that ended unasked, by role and exit code
    own_ends: Counter[str] = field(default_factory=Counter)
    # requests by status, or by what kept them from one
    answers: Counter[str] = field(default_factory=Counter)
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
    regressions: int = 0

    def hear(self, message: dict[str, Any]) -> None:
        for update in message["updates"]:
            if update["version"] < self.versions.get(update["jobId"], 0):
                self.regressions += 1
            self.versions[update["jobId"]] = update["version"]
            if update["status"] in FINAL:
                self.final.add(update["jobId"])

    def missed(self, ended: list[Any], until: datetime) -> int:
        """How many of these jobs ended while the connection lasted, before `until`, and were not
        told on it."""
        ours = (row for row in ended if row["tenant_id"] == self.tenant_id and row["finished_at"])
        since = self.since + timedelta(seconds=1)
        return sum(
            1
            for row in ours
            if since < row["finished_at"] < until and str(row["id"]) not in self.final
        )


async def judge(broken: World, found: Found, broke: Breaker, seconds: float) -> dict[str, Any]:
    """Everything that is worth telling, by name."""
    rows = await broken.fetch(
        "SELECT id, tenant_id, status::text, payload, crashes, deaths, finished_at FROM jobs"
    )
    by_id = {str(row["id"]): row for row in rows}
    executions = broken.executions()
    starts = Counter(job_id for job_id, event, _ in executions if event == "start")
    planned = sum(
        1 for row in rows if '"fail": true' in row["payload"] and starts[str(row["id"])] > 1
    )
    memory = [
        psutil.Process(member.pid).memory_info().rss >> 20
        for member in broken.members
        if member.alive
    ]
    return {
        "seconds": round(seconds),
        "faults": dict(broke.faults),
        "kills": sum(count for name, count in broke.faults.items() if name.startswith("kill a")),
        "jobs": len(rows),
        "acknowledged": len(found.acknowledged),
        "lost": sum(
            1
            for job_id in found.acknowledged
            if job_id not in by_id or by_id[job_id]["status"] not in FINAL
        ),
        "not completed": sum(1 for row in rows if row["status"] != "COMPLETED"),
        "duplicates": sum(starts.values()) - len(starts) - planned,
        "in flight at faults": broke.in_flight,
        "stale writes rejected": broken.stale(),
        "forbidden changes": await broken.value("SELECT count(*) FROM violations"),
        "rescues": len(broke.rescues_s) + len(broke.late_rescues_s),
        "rescue p50 s": _quantile(broke.rescues_s, 0.5),
        "rescue p99 s": _quantile(broke.rescues_s, 0.99),
        "longest rescue s": round(max([*broke.rescues_s, 0.0]), 2),
        "longest rescue after a Postgres fault s": round(max([*broke.late_rescues_s, 0.0]), 2),
        "versions gone back": sum(watch.regressions for watch in found.watched),
        "final states missed": sum(
            watch.missed(rows, _judged_until(watch, broke.outages)) for watch in found.watched
        ),
        "viewer connections": len(found.watched),
        "slowest answer s": round(found.slowest_answer_s, 2),
        "answers": dict(found.answers),
        "ended unasked": dict(found.own_ends),
        "largest process MB": max(memory, default=0),
    }


def _judged_until(watch: Watch, outages: list[tuple[datetime, datetime]]) -> datetime:
    """Up to when it should have been told what ended.

    A row's time is its transaction's start: what began before an outage of Postgres may have been
    committed at its end, so a connection that broke within the margin after an outage is judged up
    to the outage's beginning only.
    """
    until = watch.until or datetime.now(UTC)
    for began, ended in outages:
        if began < until < ended + MARGIN:
            until = began
    return until - MARGIN


def broken_promises(result: dict[str, Any]) -> list[str]:
    """What must be zero and is not, and duplicates beyond the jobs that a fault struck."""
    zero = (
        "lost",
        "not completed",
        "forbidden changes",
        "versions gone back",
        "final states missed",
    )
    broken = [f"{name}: {result[name]}" for name in zero if result[name]]
    # A worker that was frozen longer than its watchdog allows ends itself when it is thawed.
    if sum(result["ended unasked"].values()) > result["faults"].get("freeze a worker", 0):
        broken.append(f"processes ended unasked: {result['ended unasked']}")
    if result["duplicates"] > result["in flight at faults"]:
        broken.append(
            f"{result['duplicates']} duplicates, but only {result['in flight at faults']} jobs in flight at faults"
        )
    return broken


def _quantile(values: list[float], q: float) -> float | None:
    if len(values) < 2:
        return round(values[0], 2) if values else None
    return round(statistics.quantiles(values, n=100, method="inclusive")[round(q * 100) - 1], 2)
