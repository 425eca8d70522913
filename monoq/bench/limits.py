"""Limits: whether a cap and a rate hold while workers are killed and frozen, judged by what
handlers wrote and not by our tables; how soon a pause holds; and what limits cost."""

import asyncio
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import orjson

from monoq.bench.connection import Connection
from monoq.bench.measures import Samples, draining
from monoq.bench.system import System
from monoq.errors import MonoqError

Process = subprocess.Popen[bytes]

CAPS = (6, 12)
CAP_WORKERS, RATE_WORKERS = 8, 4
STRIKE_S, RECAP_S = 5.0, 7.0  # a kill or a freeze, and another cap, so often
FROZEN_S = 14.0  # longer than a lease: the jobs of a frozen worker run elsewhere
RUN_MS = 200
LATE_S = 1.0  # a job that was claimed under a higher cap may begin so much later
RATE = 50.0
SETTLE_S = 3.0
COST_TENANTS = 1000


class Mark(NamedTuple):
    """A run began ("start") or ended ("end"), or its process was killed or frozen ("gone")."""

    at: float
    event: str
    run: str
    pid: int


async def limiting(
    system: System, jobs: int, rounds: int, minutes: float
) -> AsyncIterator[Samples]:
    """The cap and the rate, each for so many minutes; then the cost, in a drain of `jobs`."""
    with tempfile.TemporaryDirectory(prefix="monoq-ledger-") as folder:
        async with system.api() as (port, _):
            with closing(Connection(port)) as http:
                yield await _cap(system, http, Path(folder) / "cap", minutes)
                yield await _rate(system, http, Path(folder) / "rate", minutes)
    async for samples in _cost(system, jobs, rounds):
        yield samples


async def _cap(system: System, http: Connection, ledger: Path, minutes: float) -> Samples:
    await system.clear()
    caps: list[tuple[float, int]] = []
    marks: list[Mark] = []
    await _set_cap(http, CAPS[-1], caps)
    await _fill(system, int(CAPS[-1] * minutes * 60_000 / RUN_MS) + 1000, RUN_MS)
    with Workers(system, CAP_WORKERS, ledger) as workers:
        await system.until("SELECT count(*) >= $1 FROM workers", CAP_WORKERS)
        began, n = time.time(), 0
        end = began + minutes * 60
        striking = asyncio.create_task(workers.strike(marks, end, freezes=True))
        while time.time() < end:
            await asyncio.sleep(RECAP_S)
            n += 1
            await _set_cap(http, CAPS[n % len(CAPS)], caps)
        await striking
        ended = time.time()
    await http.put("/tenants/acme", b"{}")
    judged = judge([*_read(ledger), *marks], caps, began, ended)
    return {f"cap: {name}": [figure] for name, figure in judged.items()}


def judge(
    marks: list[Mark], caps: list[tuple[float, int]], began: float, ended: float
) -> dict[str, float]:
    """What a ledger says of a cap, which was changed at these times: how many runs began, and
    after how many of these starts more ran than the highest cap of the second before let run.
    Nothing runs in a process that was killed or frozen: a cap counts leases, and this can only
    make the judge milder between a death and its rescue."""
    starts = above = most = 0
    running: dict[str, Mark] = {}
    held, last = 0.0, began
    for mark in sorted(marks):
        held += len(running) * max(0.0, min(mark.at, ended) - max(last, began))
        last = mark.at
        if mark.event == "start":
            running[mark.run] = mark
            starts += 1
            most = max(most, len(running))
            above += len(running) > _highest(caps, mark.at - LATE_S, mark.at)
        elif mark.event == "end":
            running.pop(mark.run, None)
        else:
            running = {run: begun for run, begun in running.items() if begun.pid != mark.pid}
    allowed = sum(
        cap * max(0.0, min(until, ended) - max(at, began))
        for (at, cap), (until, _) in zip(caps, [*caps[1:], (ended, 0)], strict=True)
    )
    return {
        "starts looked at": starts,
        "starts above it": above,
        "most at once": most,
        "killed or frozen": sum(mark.event == "gone" for mark in marks),
        "used, %": 100 * held / allowed,
    }


async def _rate(system: System, http: Connection, ledger: Path, minutes: float) -> Samples:
    await system.clear()
    policy = {"ratePerSecond": RATE, "burst": 1}
    await _put(http, policy)
    await _fill(system, int(RATE * (minutes * 60 + 60)), ms=1)
    marks: list[Mark] = []
    with Workers(system, RATE_WORKERS, ledger) as workers:
        await system.until("SELECT count(*) >= $1 FROM workers", RATE_WORKERS)
        await asyncio.sleep(SETTLE_S)
        began = time.time()
        end = began + minutes * 60
        await workers.strike(marks, end, freezes=False)
        ended = time.time()
        await _put(http, {**policy, "paused": True})
        paused_at = time.time()
        await asyncio.sleep(SETTLE_S)
        starts = [mark.at for mark in _read(ledger) if mark.event == "start"]
    await http.put("/tenants/acme", b"{}")
    counted = sum(began <= at < ended for at in starts)
    return {
        "rate: starts, % of it": [100 * counted / (RATE * (ended - began))],
        "rate: killed": [float(len(marks))],
        "pause: the last start after it, ms": [max(0.0, 1000 * (max(starts) - paused_at))],
    }


async def _cost(system: System, jobs: int, rounds: int) -> AsyncIterator[Samples]:
    """In turn: without limits, with one capped tenant, with a cap for each. A cap that nobody
    reaches: what is measured is what it costs to look."""
    cases = (
        ("no limits", None, ""),
        ("one tenant capped", "tenant", "t1"),
        ("all capped", "default", ""),
    )
    for _ in range(rounds):
        for label, scope, name in cases:
            if scope:
                await system.connection.execute(
                    "INSERT INTO policies (scope, name, field, value)"
                    " VALUES ($1::text::policy_scope, $2, 'max_running', 20)",
                    scope,
                    name,
                )
            figure = f"drain of {COST_TENANTS:,} tenants, {label}"
            async for samples in draining(system, jobs, 1, tenants=COST_TENANTS, label=figure):
                yield samples
            await system.connection.execute("DELETE FROM policies")


class Workers:
    """Worker processes that come and go."""

    def __init__(self, system: System, count: int, ledger: Path) -> None:
        self._system = system
        self._settings = {"MONOQ_BENCH_LEDGER": str(ledger), "MONOQ_SHUTDOWN_TIMEOUT": "2"}
        self._count = count
        self._stack = ExitStack()
        self._alive: list[Process] = []

    def __enter__(self) -> "Workers":
        with ExitStack() as stack:
            self._stack = stack
            for _ in range(self._count):
                self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._alive:
            worker.send_signal(signal.SIGCONT)
        self._stack.close()

    async def strike(self, marks: list[Mark], end: float, *, freezes: bool) -> None:
        """Kills a worker every STRIKE_S, or freezes it for FROZEN_S; another takes the place of a
        dead one. Notes in `marks` since when nothing runs in it."""
        strike, thaws = 0, set()
        while (left := end - time.time()) > 0:
            await asyncio.sleep(min(STRIKE_S, left))
            victim = self._alive.pop(0)
            strike += 1
            if freezes and strike % 2:
                victim.send_signal(signal.SIGSTOP)
                thaws.add(asyncio.create_task(self._thaw(victim)))
            else:
                self._system.kill(victim)
                self._start()
            marks.append(Mark(time.time(), "gone", "", victim.pid))
        await asyncio.gather(*thaws)

    async def _thaw(self, worker: Process) -> None:
        try:
            await asyncio.sleep(FROZEN_S)
        finally:
            worker.send_signal(signal.SIGCONT)
            self._alive.append(worker)

    def _start(self) -> None:
        process = self._system.process("worker", settings=self._settings)
        self._alive.append(self._stack.enter_context(process))


async def _set_cap(http: Connection, cap: int, caps: list[tuple[float, int]]) -> None:
    """It holds for whoever claims after this; noted is when it was asked for, if it is higher, and
    when it was in force, if it is lower."""
    asked = time.time()
    await _put(http, {"maxRunning": cap})
    higher = not caps or cap > caps[-1][1]
    caps.append((asked if higher else time.time(), cap))


def _highest(caps: list[tuple[float, int]], begin: float, end: float) -> int:
    """The highest cap that held at some time between the two."""
    last = max((n for n, (at, _) in enumerate(caps) if at <= begin), default=0)
    return max(cap for n, (at, cap) in enumerate(caps) if n == last or begin < at <= end)


def _read(ledger: Path) -> list[Mark]:
    marks: list[Mark] = []
    for line in ledger.read_text().splitlines():
        event, run, pid, ns = line.split()
        marks.append(Mark(int(ns) / 1e9, event, run, int(pid)))
    return marks


async def _put(http: Connection, policy: Mapping[str, object]) -> None:
    status, answer = await http.put("/tenants/acme", orjson.dumps(policy))
    if status != 200:
        raise MonoqError(f"the server answered {status}: {answer.decode()[:200]}")


async def _fill(system: System, jobs: int, ms: int) -> None:
    await system.connection.execute(
        "INSERT INTO jobs (tenant_id, type, payload)"
        " SELECT 'acme', 'bench-ledger', jsonb_build_object('ms', $2::int)"
        " FROM generate_series(1, $1::int)",
        jobs,
        ms,
        timeout=120,
    )
