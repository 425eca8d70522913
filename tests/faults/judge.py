"""What a soak has found: the notes it takes, and the judgement of what was lost, changed, repeated
beyond reason or taken back, and of who was charged for what others did."""

import json
import statistics
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psutil

from faults.breaking import Breaker
from faults.world import World

FINAL = {"COMPLETED", "FAILED", "CANCELLED"}
# within which a change may still be on its way when a connection ends
MARGIN = timedelta(seconds=5)


@dataclass
class Found:
    """What the run measured."""

    # what was asked for, by the id that was answered
    acknowledged: dict[str, "Asked"] = field(default_factory=dict)
    # processes that ended unasked, by role and exit code
    own_ends: Counter[str] = field(default_factory=Counter)
    # requests by status, or by what kept them from one
    answers: Counter[str] = field(default_factory=Counter)
    watched: list["Watch"] = field(default_factory=list)
    slowest_answer_s: float = 0.0

    def acknowledge(self, ids: list[str], jobs: list[dict[str, Any]]) -> None:
        for job_id, job in zip(ids, jobs, strict=True):
            work = job["payload"]
            data = len(work.get("data", ""))
            self.acknowledged[job_id] = Asked(
                job["tenantId"], job["type"], work.get("ms", 0), work.get("fail", False), data
            )


class Asked(NamedTuple):
    """What a job is to do; `data` is how many letters x come with it."""

    tenant_id: str
    type: str
    ms: int
    fail: bool  # in the first attempt
    data: int


# The payloads stay where they are: those of a long run are some gigabytes.
JOBS = """
    SELECT id::text, tenant_id, type, status::text, finished_at, attempts, crashes,
           coalesce((payload->>'ms')::int, 0) AS ms,
           coalesce((payload->>'fail')::boolean, false) AS fail,
           coalesce(length(payload->>'data'), 0) AS data,
           coalesce(ltrim(payload->>'data', 'x'), '') = '' AS whole,
           result::text AS result
    FROM jobs"""


@dataclass
class Watch:
    """One connection of a viewer: what it was told, from when to when. It counts from when all its
    tenants are subscribed."""

    tenants: frozenset[str]
    since: datetime | None = None
    until: datetime | None = None
    subscribed: set[str] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    final: set[str] = field(default_factory=set)
    regressions: int = 0

    def hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "SUBSCRIBED":
            self.subscribed.add(message["tenantId"])
            if self.subscribed == self.tenants:
                self.since = datetime.now(UTC)
            return
        for update in message["updates"]:
            if update["version"] < self.versions.get(update["jobId"], 0):
                self.regressions += 1
            self.versions[update["jobId"]] = update["version"]
            if update["status"] in FINAL:
                self.final.add(update["jobId"])

    def missed(self, ended: list[Any], until: datetime) -> int:
        """How many of these jobs ended while the connection lasted, before `until`, and were not
        told on it."""
        assert self.since
        ours = (row for row in ended if row["tenant_id"] in self.tenants and row["finished_at"])
        since = self.since + timedelta(seconds=1)
        return sum(
            1
            for row in ours
            if since < row["finished_at"] < until and str(row["id"]) not in self.final
        )


async def judge(broken: World, found: Found, broke: Breaker, seconds: float) -> dict[str, Any]:
    """Everything that is worth telling, by name."""
    rows = await broken.fetch(JOBS)
    by_id = {row["id"]: row for row in rows}
    executions = broken.executions()
    starts = Counter(job_id for job_id, event, _ in executions if event == "start")
    planned = sum(1 for row in rows if row["fail"] and starts[row["id"]] > 1)
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
        "changed": sum(
            1
            for job_id, asked in found.acknowledged.items()
            if job_id in by_id and _is_changed(by_id[job_id], asked)
        ),
        "innocents failed": sum(1 for row in rows if row["status"] == "FAILED"),
        "not completed": sum(1 for row in rows if row["status"] != "COMPLETED"),
        "charged for another's deed": sum(
            1 for row in rows if row["crashes"] or row["attempts"] != 1 + row["fail"]
        ),
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


def _is_changed(row: Any, asked: Asked) -> bool:
    """Whether a job is not as it was asked for, or its result is of another one."""
    stored = Asked(row["tenant_id"], row["type"], row["ms"], row["fail"], row["data"])
    done = {"ms": asked.ms, "bytes": asked.data}
    is_done = row["status"] == "COMPLETED"
    return stored != asked or not row["whole"] or (is_done and json.loads(row["result"]) != done)


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
        "changed",
        "innocents failed",
        "not completed",
        "charged for another's deed",
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
            f"{result['duplicates']} duplicates, but only {result['in flight at faults']} jobs"
            " in flight at faults"
        )
    return broken


def _quantile(values: list[float], q: float) -> float | None:
    if len(values) < 2:
        return round(values[0], 2) if values else None
    return round(statistics.quantiles(values, n=100, method="inclusive")[round(q * 100) - 1], 2)
