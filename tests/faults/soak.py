"""A long run of ordinary work under a seeded schedule of faults, and the check that nothing was
lost, changed, repeated beyond reason or taken back, and that no job was charged for a fault.

The work is that of `monoq bench mix`: a thousand tenants; jobs that do nothing, wait, block a
thread, run apart or compute on the event loop; payloads of 100 bytes to 1 MB; some fail once, some
are delayed.

    cd tests && python -m faults.soak --minutes 30 --seed 1        (or: make soak MINUTES=30)

Two APIs, three workers; one of each reaches its engines through proxies that cut, slow down and
swallow. The same seed gives the same schedule. Exits with 1 if an invariant was broken.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from conftest import eventually
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from faults.breaking import Breaker, Link, linked
from faults.judge import Found, Watch, broken_promises, judge
from faults.world import HERE, World, world
from monoq.bench.mix import TENANTS, _job

BATCH = 60
PAUSE_S = 0.3  # between batches: about 180 jobs/s, half of what two cores can do of them
WATCHED = 100  # tenants of one viewer, who may have no more on one connection


class Soak:
    """One run. Its parts are tasks over one World."""

    def __init__(self, broken: World, links: list[Link], minutes: float, seed: int) -> None:
        self.world = broken
        self.seconds = minutes * 60
        self.breaker = Breaker(broken, links, self.seconds, seed)
        # of the load; the faults have their own, or its pace would change them
        self.random = random.Random(seed + 1)
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
            ended, _ = await asyncio.wait(
                [faults, *parts], timeout=0.5, return_when=asyncio.FIRST_COMPLETED
            )
            for task in ended:
                await task  # a part never ends by itself: this raises
        parts[0].cancel()
        await self.world.all_ended(180)
        await self._all_are_told()
        self.over.set()
        for part in parts[1:]:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        return await judge(self.world, self.found, self.breaker, time.monotonic() - began)

    async def _supervise(self) -> None:
        """What a service manager does: restarts at once, never gives up."""
        while True:
            for member in list(self.world.members):
                if not member.alive and not self.over.is_set():
                    code = member.process.returncode
                    if code != -signal.SIGKILL and not member.asked:
                        self.found.own_ends[f"{member.role} {code}"] += 1
                    member.start()
            await asyncio.sleep(0.05)  # between two looks

    async def _load(self) -> None:
        apis = [member for member in self.world.members if member.role == "api"]
        async with httpx.AsyncClient(timeout=8, trust_env=False) as http:
            while True:
                api = self.random.choice(apis)
                began = time.monotonic()
                jobs = [_job(self.random) for _ in range(BATCH)]
                try:
                    answer = await http.post(f"{api.url}/jobs/batch", json={"jobs": jobs})
                    self.found.answers[str(answer.status_code)] += 1
                    if answer.status_code == 201:
                        self.found.acknowledge(answer.json()["jobIds"], jobs)
                    else:
                        assert answer.status_code == 503, answer.text
                    self.found.slowest_answer_s = max(
                        self.found.slowest_answer_s, time.monotonic() - began
                    )
                except httpx.HTTPError as error:
                    self.found.answers[type(error).__name__] += 1
                await asyncio.sleep(PAUSE_S)

    async def _all_are_told(self) -> None:
        """Until every viewer who is connected knows what ended while he was. If that does not come,
        it is the judge's to say."""
        ended = await self.world.fetch("SELECT id, tenant_id, finished_at FROM jobs")
        now = datetime.now(UTC)
        with contextlib.suppress(pytest.fail.Exception):
            await eventually(
                lambda: (
                    not any(
                        watch.missed(ended, now) for watch in self.found.watched if not watch.until
                    )
                ),
                every=0.2,
            )

    async def _watch(self, n: int) -> None:
        api = [member for member in self.world.members if member.role == "api"][n]
        tenants = frozenset(f"t{n * WATCHED + i}" for i in range(WATCHED))
        assert len(tenants) * (n + 1) <= TENANTS
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException):
                async with websockets.connect(api.ws_url, max_queue=None) as socket:
                    for tenant in tenants:
                        subscribe = {"type": "SUBSCRIBE", "tenantId": tenant, "batch": True}
                        await socket.send(json.dumps(subscribe))
                    watch = Watch(tenants)
                    while watch.since is None:
                        watch.hear(json.loads(await socket.recv()))
                    self.found.watched.append(watch)
                    try:
                        async for text in socket:
                            watch.hear(json.loads(text))
                    finally:
                        watch.until = datetime.now(UTC)
            await asyncio.sleep(0.2)  # before he comes back


async def soak(folder: Path, minutes: float, seed: int, progress: Progress) -> dict[str, Any]:
    """Runs it in a folder; returns what was found."""
    settings = {
        "MONOQ_APP": "faults.handlers_for_soak:app",
        "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE.parent.parent}",
        "MONOQ_LEASE": "10",
        "MONOQ_SLOTS": "200",
        "MONOQ_BATCH_SIZE": "50",
        "MONOQ_LOG_LEVEL": "warning",
    }
    async with (
        world(folder, apis=1, workers=2, **settings) as broken,
        linked(broken, "api", "worker") as links,
    ):
        return {"seed": seed} | await Soak(broken, links, minutes, seed).run(progress)


def main() -> None:
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("--minutes", type=float, default=30)
    ask.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    ask.add_argument("--json", type=Path, help="write the result here, too")
    args = ask.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="monoq-soak-"))
    with Progress() as progress, contextlib.redirect_stdout(sys.stderr):
        result = asyncio.run(soak(folder, args.minutes, args.seed, progress))
    table = Table("", "", title=f"soak of {args.minutes:g} minutes, seed {args.seed}")
    for name, value in result.items():
        table.add_row(
            name,
            ", ".join(f"{key}: {count}" for key, count in value.items())
            if isinstance(value, dict)
            else str(value),
        )
    Console().print(table)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))
    if broken := broken_promises(result):
        sys.exit("broken: " + "; ".join(broken) + f"\nlogs: {folder}")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
