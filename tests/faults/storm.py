"""Thousands of viewers of one tenant lose their API at once and go to another one with their
cursors, while jobs go on.

cd tests && python -m faults.storm 10000 50 3     viewers, jobs a second, kills; nothing else should
run beside it

What it costs is told apart: the API that takes them in, and the viewers, who are all in this
process.
"""

import asyncio
import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from conftest import eventually

from faults.light import Recorder, judge, stay
from faults.member import Member
from faults.world import World, world

EACH_S = 10.0


@dataclass
class Kick:
    """One kill: seconds until half of the viewers, and the last of them, had caught up; CPUs used
    until then."""

    half_s: float
    all_s: float
    api_cpu: float
    viewers_cpu: float
    pages: int
    api_mb: int

    def __str__(self) -> str:
        return (
            f"half caught up after {self.half_s:.1f} s, all after {self.all_s:.1f} s; until then "
            f"the API used {self.api_cpu:.0%} and the "
            f"viewers {self.viewers_cpu:.0%} of a core; {self.pages} pages read; the API has "
            f"{self.api_mb} MB"
        )


@dataclass
class Storm:
    """All kills, and what the viewers had been told at the end."""

    kicks: list[Kick]
    jobs: int
    frames: int
    judged: Counter[str]

    def __str__(self) -> str:
        kicks = "".join(f"  {kick}\n" for kick in self.kicks)
        return (
            f"{self.jobs} jobs, {self.frames} frames, "
            + ", ".join(f"{n} {what}" for what, n in self.judged.items())
            + f"\n{kicks}"
        )


class Crowd:
    """Viewers of one tenant, who go from one of two APIs to the other when theirs is gone."""

    def __init__(self, world: World, viewers: int, patience_s: float) -> None:
        self.viewers = [Recorder() for _ in range(viewers)]
        self._world = world
        self._patience_s = patience_s

    async def all(self, so: Callable[[Recorder], Any]) -> None:
        await eventually(lambda: all(map(so, self.viewers)), timeout=self._patience_s, every=0.1)

    async def kick(self, victim: Member, other: Member) -> Kick:
        api, ourselves = psutil.Process(other.pid), psutil.Process()
        pages = await self._pages()
        killed_at, used = time.monotonic(), (_cpu_s(api), _cpu_s(ourselves))
        victim.kill()
        await self.all(lambda viewer: viewer.caught_up_at > killed_at)
        took = time.monotonic() - killed_at
        caught_up = [viewer.caught_up_at - killed_at for viewer in self.viewers]
        return Kick(
            half_s=statistics.median(caught_up),
            all_s=max(caught_up),
            api_cpu=(_cpu_s(api) - used[0]) / took,
            viewers_cpu=(_cpu_s(ourselves) - used[1]) / took,
            pages=await self._pages() - pages,
            api_mb=api.memory_info().rss >> 20,
        )

    async def _pages(self) -> int:
        sql = (
            "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements "
            "WHERE query LIKE '%AS floor%'"
        )
        return int(await self._world.value(sql))


async def storm(
    folder: Path,
    *,
    viewers: int,
    jobs_per_s: int,
    kicks: int = 1,
    patience_s: float = 60,
    **settings: str,
) -> Storm:
    """Kills the API that has all viewers, again each 10 s; the one before it is back by then."""
    async with world(folder, apis=2, workers=1, **settings) as broken, asyncio.TaskGroup() as tasks:
        await broken.fetch("CREATE EXTENSION pg_stat_statements")
        victim, other = broken.apis
        crowd = Crowd(broken, viewers, patience_s)
        found: list[Kick] = []
        ids: list[str] = []
        publishing = True

        async def publish() -> None:
            while publishing:
                # not acknowledged, so nobody is owed it
                with contextlib.suppress(httpx.TransportError):
                    ids.extend(
                        await broken.submit(
                            [{"tenantId": "acme", "type": "work"}] * jobs_per_s, other
                        )
                    )
                await asyncio.sleep(1)  # the load's pace

        staying = [
            tasks.create_task(stay(viewer, [victim.port, other.port])) for viewer in crowd.viewers
        ]
        await crowd.all(lambda viewer: viewer.cursor)
        publisher = tasks.create_task(publish())
        await crowd.all(lambda viewer: len(viewer.told) >= 6)
        for kick in range(kicks):
            if kick:
                victim.start()
                await broken.is_up(victim)
                await asyncio.sleep(max(0, EACH_S - found[-1].all_s))
                victim, other = other, victim
            found.append(await crowd.kick(victim, other))
        publishing = False
        await publisher
        await broken.all_ended()
        await eventually(lambda: not judge(crowd.viewers, ids)["gaps"], timeout=patience_s, every=1)
        for task in staying:
            task.cancel()
    return Storm(
        found,
        len(ids),
        sum(len(viewer.told) for viewer in crowd.viewers),
        judge(crowd.viewers, ids),
    )


def _cpu_s(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def main() -> None:
    viewers, jobs_per_s, kicks = (int(said) for said in sys.argv[1:4])
    folder = Path(tempfile.mkdtemp(prefix="monoq-storm-"))
    with contextlib.redirect_stdout(sys.stderr):
        found = asyncio.run(storm(folder, viewers=viewers, jobs_per_s=jobs_per_s, kicks=kicks))
    print(f"{viewers} viewers, {jobs_per_s} jobs/s: {found}")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
