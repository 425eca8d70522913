"""Ids and messages on their way through Redis: none is popped in vain, and none that is lost, late
or doubled misleads a viewer."""

import asyncio
import json
import random
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import redis.asyncio
from conftest import eventually
from handlers_for_tests import app

from faults.proxy import Proxy
from faults.viewer import watching
from faults.world import world
from monoq.app.pool import Pool
from monoq.embedded.redis import RedisEngine
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.queue.keys import QUEUE, UPDATES
from monoq.queue.ready import Ready
from monoq.store.database import Database
from monoq.store.due import Due
from monoq.store.jobs import JobStore
from monoq.store.limits import Limits
from monoq.store.policies import PolicyStore
from monoq.worker.claimer import Claimer
from monoq.worker.fetcher import Fetcher
from monoq.worker.heartbeat import Heartbeat
from monoq.worker.picker import Picker
from monoq.worker.shares import Shares
from monoq.worker.slots import Slots
from monoq.worker.source import Source

STOPS = 60
TAKES = frozenset({(False, "nothing")})


class Inline:
    """No payload is large."""

    room = 10**6

    def complete(self, runs: Any) -> Any:
        return runs


class Collector:
    """Stands where the executor and the stager are: notes what was claimed, and never helps with a
    lost id."""

    def __init__(self) -> None:
        self.claimed: list[str] = []

    def start(self, runs: Any) -> None:
        self.claimed += [str(run.id) for run in runs]

    def list_is(self, name: str, length: int) -> None: ...

    def room(self, pool: Pool, claiming: int) -> int:
        return 10**6

    def ahead(self, pool: Pool) -> int:
        return 0

    def has_more_than(self, count: int) -> bool:
        return len(self.claimed) > count


async def _consume(
    database_url: str, redis_url: str, cache: "redis.asyncio.Redis", *, cancelled: bool = False
) -> set[str]:
    """Ids come one by one, so that most pops wait for theirs when their consumer is stopped, or
    cancelled, again and again. Returns those that are lost: they still wait in the table, and
    nobody is left who knows of them. Ends at the first loss."""
    async with AsyncExitStack() as stack:
        database = await Database.connect(database_url, connections=4, plans="pinned")
        stack.push_async_callback(database.close)
        proxy = await stack.enter_async_context(Proxy(urlsplit(redis_url).path))
        heartbeat = Heartbeat(
            database_url=database_url,
            sizes=(1, 1, 1),
            types=[["nothing"], [], []],
            lease_s=60,
            beat_s=1,
            watchdog_s=0,
        )
        await heartbeat.register()
        beating = asyncio.create_task(heartbeat.run())
        collector, slots, ready = (
            Collector(),
            Slots(10**6, Shares(dict.fromkeys(Pool, 10**6), 1.0)),
            Ready(redis_url),
        )
        stack.push_async_callback(ready.close)
        metrics = Metrics(types=["nothing"], version="test")
        limits = Limits(PolicyStore(database))
        through = f"redis://127.0.0.1:{proxy.port}"
        ids: set[str] = set()
        lost: set[str] = set()

        def consumer() -> Fetcher:
            claimer = Claimer(
                Pool.LOOP,
                TAKES,
                app=app,
                jobs=JobStore(database),
                heartbeat=heartbeat,
                limits=limits,
                publisher=Publisher(redis_url, metrics),
                metrics=metrics,
            )
            source = Source(
                Pool.LOOP,
                TAKES,
                redis_url=through,
                ready=ready,
                picker=Picker(Due(JobStore(database), sorted(TAKES), limits)),
                stager=cast(Any, collector),
                metrics=metrics,
            )
            return Fetcher(
                claimer,
                source,
                heartbeat=heartbeat,
                executor=cast(Any, collector),
                payloads=cast(Any, Inline()),
                slots=slots,
                batch_size=50,
            )

        pushed = asyncio.Lock()  # free: every id is where it belongs

        async def push() -> None:
            while True:
                async with pushed:
                    (row,) = await database.fetch("SELECT monoq_submit('acme', 'nothing') AS id")
                    await cache.rpush(QUEUE, str(row["id"]))
                    ids.add(str(row["id"]))
                await asyncio.sleep(random.uniform(0, 0.008))

        pushing = asyncio.create_task(push())
        for _ in range(STOPS):
            fetcher = consumer()
            running = asyncio.create_task(fetcher.run())
            # what is popped is then under way for a while, and the cancellation meets it there
            if cancelled:
                await eventually(partial(collector.has_more_than, len(collector.claimed)))
                proxy.delay_down_s = 0.2
            await asyncio.sleep(random.uniform(0.005, 0.05))
            if cancelled:
                running.cancel()
            fetcher.stop()
            await asyncio.wait([running])
            proxy.delay_down_s = 0
            assert running.cancelled() == cancelled
            async with pushed:
                left = {item.decode() for item in await cache.lrange(QUEUE, 0, -1)}
                waiting = await database.fetch("SELECT id FROM jobs WHERE status = 'PENDING'")
                if lost := {str(row["id"]) for row in waiting} - left:
                    break
        async with pushed:
            pushing.cancel()
        left = {item.decode() for item in await cache.lrange(QUEUE, 0, -1)}
        assert max(Counter(collector.claimed).values(), default=1) == 1
        assert cancelled or ids == {*collector.claimed, *left}
        heartbeat.stop()
        await beating
        return lost


async def test_a_consumer_that_is_stopped_again_and_again_loses_no_id(
    database_url: str, redis_url: str, cache: "redis.asyncio.Redis"
) -> None:
    assert not await _consume(database_url, redis_url, cache)


async def test_a_pop_that_is_cancelled_would_lose_the_id_it_was_given(
    database_url: str, redis_url: str, cache: "redis.asyncio.Redis"
) -> None:
    """The danger is real: where the same consumer is cancelled instead of stopped, ids vanish. So
    the test above can fail."""
    assert await _consume(database_url, redis_url, cache, cancelled=True)


class Gossip:
    """Carries `job_updates` from one Redis to another as a bad network would: one message in ten is
    lost, one in ten comes twice, each takes its own time, so they overtake one another."""

    def __init__(self, heard: str, told: str) -> None:
        self._from = redis.asyncio.Redis.from_url(heard)
        self._to = redis.asyncio.Redis.from_url(told)
        self._under_way: set[asyncio.Task[None]] = set()
        self.fates: Counter[str] = Counter()
        self.overtaken = 0
        self._newest: dict[str, int] = {}

    async def carry(self) -> None:
        async with self._from.pubsub(ignore_subscribe_messages=True) as heard:
            await heard.subscribe(UPDATES)
            async for message in heard.listen():
                fate = random.choices(("lost", "doubled", "late"), (1, 1, 8))[0]
                self.fates[fate] += 1
                for _ in range({"lost": 0, "doubled": 2, "late": 1}[fate]):
                    task = asyncio.create_task(
                        self._tell(message["data"], random.choice((0, 0.05, 0.3, 1.5)))
                    )
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)

    async def _tell(self, message: bytes, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        for job_id, version, *_ in json.loads(message)["jobs"]:
            self.overtaken += version < self._newest.get(job_id, 0)
            self._newest[job_id] = max(version, self._newest.get(job_id, 0))
        await self._to.publish(UPDATES, message)

    async def all_told(self) -> None:
        await eventually(lambda: not self._under_way)

    async def close(self) -> None:
        """Once nothing more is carried."""
        await asyncio.gather(*self._under_way)
        await self._from.aclose()
        await self._to.aclose()


async def test_messages_lost_doubled_late_or_overtaken_never_turn_a_viewer_back_and_hide_no_end(
    tmp_path: Path,
) -> None:
    """The API listens to a Redis of its own; what the workers publish reaches it through the gossip
    only."""
    async with world(tmp_path) as broken, AsyncExitStack() as stack:
        for _ in range(2):
            # small batches make many messages
            await broken.is_up(broken.member("worker", MONOQ_BATCH_SIZE="5"))
        (tmp_path / "other").mkdir()
        other = RedisEngine(tmp_path / "other", tmp_path / "other")
        await asyncio.to_thread(other.start)
        stack.push_async_callback(asyncio.to_thread, other.stop)
        api = broken.member("api", MONOQ_REDIS_URL=other.url)
        await broken.is_up(api)
        gossip = Gossip(broken.redis.url, other.url)
        stack.push_async_callback(gossip.close)
        carrying = asyncio.create_task(gossip.carry())
        # it is subscribed; that message is junk
        await eventually(lambda: broken.cache("PUBLISH", UPDATES, "{}"))
        ids: list[str] = []
        async with watching(api) as one, watching(api) as another:
            while (
                min(gossip.fates[fate] for fate in ("lost", "doubled", "late")) <= 5
                or gossip.overtaken <= 10
            ):
                ids += await broken.submit(
                    [
                        {"tenantId": "acme", "type": "work", "payload": {"fail": n % 3 == 0}}
                        for n in range(300)
                    ],
                    api,
                )
                await one.knows(ids)
                await another.knows(ids)
                await gossip.all_told()
            await broken.submit([{"tenantId": "acme", "type": "work"}], api)
            # what is told last is heard last: then the old news has been heard, too
            marker = str(uuid4())
            last = {
                "tenantId": "acme",
                "status": "COMPLETED",
                "updatedAt": "2026-01-01T00:00:00Z",
                "workerId": None,
            }
            client = redis.asyncio.Redis.from_url(other.url)
            await client.publish(
                UPDATES, json.dumps(last | {"jobs": [[marker, 1, "work", 1, None]]})
            )
            await client.aclose()
            await one.knows([marker])
            await another.knows([marker])
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        rows = {
            str(row["id"]): row["version"]
            for row in await broken.fetch("SELECT id, version FROM jobs")
        }
        for viewer in (one, another):
            assert {job_id: viewer.versions[job_id] for job_id in ids} == {
                job_id: rows[job_id] for job_id in ids
            }
