"""The faults of a soak, and their seeded schedule. It must draw what it needs when the schedule is
made: the same seed, the same faults."""

import asyncio
import contextlib
import math
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from conftest import eventually

from faults.member import Member
from faults.proxy import Proxy, Way
from faults.world import World

WORKER_FROZEN_S = 12.0  # longer than its lease
REDIS_AWAY_S, REDIS_FROZEN_S = 2.0, 5.0
POSTGRES_FROZEN_S = 8.0  # longer than any statement waits
QUIET_S = 7.0  # after a fault of Postgres rescuers do not trust themselves for 5 s
FOREVER = datetime.max.replace(tzinfo=UTC)
ON = (
    "SELECT count(*) FROM jobs JOIN workers ON workers.id = worker_id WHERE status = 'RUNNING' "
    "AND name LIKE '%:' || $1"
)


@dataclass
class Link:
    """A process whose every connection to the engines goes through proxies."""

    member: Member
    postgres: Proxy
    redis: Proxy
    disturbed: bool = False


@asynccontextmanager
async def linked(broken: World, *roles: str) -> AsyncIterator[list[Link]]:
    """Processes of these roles behind proxies of their own, in addition to those that are there."""
    async with contextlib.AsyncExitStack() as stack:
        links = []
        for role in roles:
            postgres = await stack.enter_async_context(Proxy(broken.postgres_socket))
            redis = await stack.enter_async_context(Proxy(broken.redis_socket))
            links.append(
                Link(broken.member(role, **broken.through(postgres, redis)), postgres, redis)
            )
            await broken.is_up(links[-1].member)
        yield links


class Breaker:
    """Breaks things, one fault after the other; what it has to remember about them is for the
    judge."""

    def __init__(self, broken: World, links: list[Link], seconds: float, seed: int) -> None:
        self.world = broken
        self.links = links
        self.seconds = seconds
        self.faults: Counter[str] = Counter()
        self.in_flight = 0  # jobs that ran where a fault struck: each may run once more
        self.rescues_s: list[float] = []
        self.late_rescues_s: list[float] = []  # within reach of a fault of Postgres
        # of Postgres, for all or for one process, from when to when
        self.outages: list[tuple[datetime, datetime]] = []
        self._quiet_since = -math.inf  # when the last fault of Postgres ended
        self._random = random.Random(seed)
        self._kept: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Returns when the schedule is through and all that was frozen or cut off is back."""
        began = time.monotonic()
        for at, name, draw in self._schedule():
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            await getattr(self, "_" + name.replace(" ", "_").replace("-", "_").lower())(draw)
            self.faults[name] += 1
        await asyncio.gather(*self._kept)

    def _schedule(self) -> list[tuple[float, str, float]]:
        """(when, what, a number in [0, 1) that says whom and how long): a kill every 5 s or so, the
        others spread over the whole."""
        minutes = self.seconds / 60
        counts = {
            "kill a worker": math.ceil(minutes * 9.5),
            "kill an api": math.ceil(minutes * 1.5),
            "terminate a worker": math.ceil(minutes),
            "freeze a worker": math.ceil(minutes / 5),
            "FLUSHALL": math.ceil(minutes * 1.1),
            "kill redis": math.ceil(minutes / 5),
            "freeze redis": math.ceil(minutes / 10),
            "kill postgres": math.ceil(minutes / 5),
            "freeze postgres": math.ceil(minutes / 10),
            "cut connections": math.ceil(minutes / 2),
            "cut a link": math.ceil(minutes / 2),
            "slow a link": math.ceil(minutes / 2),
            "black-hole a link": math.ceil(minutes / 2),
            "lose answers of a link": math.ceil(minutes / 2),
        }
        drawn = [
            (self._random.uniform(3, self.seconds), name, self._random.random())
            for name, n in counts.items()
            for _ in range(n)
        ]
        return sorted(drawn)

    async def _kill_a_worker(self, draw: float) -> None:
        if victim := self._victim("worker", draw):
            await self._strikes(victim)
            victim.kill()
            self._time_rescue(str(victim.pid))

    async def _kill_an_api(self, draw: float) -> None:
        if victim := self._victim("api", draw):
            victim.kill()

    async def _terminate_a_worker(self, draw: float) -> None:
        if victim := self._victim("worker", draw):
            await self._strikes(victim)
            victim.asked = True
            victim.send(signal.SIGTERM)

    async def _freeze_a_worker(self, draw: float) -> None:
        if victim := self._victim("worker", draw):
            await self._strikes(victim)
            victim.freeze()

            async def thaw() -> None:
                await asyncio.sleep(WORKER_FROZEN_S)
                victim.thaw()

            self._keep(thaw())

    async def _flushall(self, draw: float) -> None:
        with contextlib.suppress(Exception):
            await self.world.cache("FLUSHALL")

    async def _kill_redis(self, draw: float) -> None:
        self.world.kill_redis()
        await asyncio.sleep(REDIS_AWAY_S)
        await asyncio.to_thread(self.world.redis.start)

    async def _freeze_redis(self, draw: float) -> None:
        process = self.world.redis_process()
        process.suspend()
        await asyncio.sleep(REDIS_FROZEN_S)
        process.resume()

    async def _kill_postgres(self, draw: float) -> None:
        await self._strikes(None)
        with self._outage():
            await asyncio.to_thread(self.world.kill_postgres)
            await asyncio.to_thread(self.world.postgres.start)

    async def _freeze_postgres(self, draw: float) -> None:
        await self._strikes(None)
        with self._outage():
            self.world.freeze_postgres()
            await asyncio.sleep(POSTGRES_FROZEN_S)
            self.world.thaw_postgres()

    async def _cut_connections(self, draw: float) -> None:
        await self.world.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'monoq%' ORDER BY random() LIMIT 5"
        )

    async def _cut_a_link(self, draw: float) -> None:
        await self._disturb(draw, 0)

    async def _slow_a_link(self, draw: float) -> None:
        await self._disturb(draw, 3 + 5 * draw, delay_s=0.05 + 0.25 * draw)

    async def _black_hole_a_link(self, draw: float) -> None:
        await self._disturb(draw, 2 + 4 * draw, swallow={"up", "down"})

    async def _lose_answers_of_a_link(self, draw: float) -> None:
        await self._disturb(draw, 1 + 2 * draw, swallow={"down"})

    async def _disturb(
        self, draw: float, seconds: float, delay_s: float = 0.0, swallow: "set[Way] | None" = None
    ) -> None:
        """Both engines of one process, for so long; at the end its connections are cut. A link is
        disturbed once at a time."""
        link = self.links[int(draw * 1000) % len(self.links)]
        if link.disturbed:
            return
        link.disturbed = True
        await self._strikes(link.member)

        async def hold() -> None:
            with self._outage():
                for proxy in (link.postgres, link.redis):
                    proxy.delay_s, proxy.swallow = delay_s, swallow or set()
                await asyncio.sleep(seconds)
                await self._strikes(link.member)
                for proxy in (link.postgres, link.redis):
                    proxy.delay_s, proxy.swallow = 0.0, set()
                    proxy.cut()
            link.disturbed = False

        self._keep(hold())

    @contextlib.contextmanager
    def _outage(self) -> Iterator[None]:
        """While it lasts, and for a while after, rescues take longer; what changed may be told only
        after it."""
        began = datetime.now(UTC)
        self.outages.append((began, FOREVER))
        self._quiet_since = math.inf
        yield
        self.outages[self.outages.index((began, FOREVER))] = (began, datetime.now(UTC))
        if not any(ended == FOREVER for _, ended in self.outages):
            self._quiet_since = time.monotonic()

    def _victim(self, role: str, draw: float) -> Member | None:
        members = [
            member
            for member in self.world.members
            if member.role == role and member.alive and not member.frozen
        ]
        return members[int(draw * len(members))] if members else None

    async def _strikes(self, member: Member | None) -> None:
        """Counts the jobs in its hands; None: in everybody's."""
        with contextlib.suppress(Exception):
            self.in_flight += int(
                await self.world.value(ON, str(member.pid))
                if member
                else await self.world.value("SELECT count(*) FROM jobs WHERE status = 'RUNNING'")
            )

    def _time_rescue(self, pid: str) -> None:
        async def freed() -> bool:
            with contextlib.suppress(Exception):  # Postgres may be away
                return bool(await self.world.value(ON, pid) == 0)
            return False

        async def watch() -> None:
            killed = time.monotonic()
            undisturbed = killed - self._quiet_since > QUIET_S
            await eventually(freed, timeout=120, every=0.1)
            undisturbed = undisturbed and self._quiet_since < killed
            (self.rescues_s if undisturbed else self.late_rescues_s).append(
                time.monotonic() - killed
            )

        self._keep(watch())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
