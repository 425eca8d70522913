"""The lists in Redis: in which order ids stand, who may put one where, and what a strange Redis
costs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import asyncpg
import pytest
import redis.asyncio
from conftest import FACT_TIMEOUT_S, eventually
from tables import register

from monoq.errors import QueueUnavailable
from monoq.observe.metrics import Metrics
from monoq.queue.keys import (
    QUEUE,
    backlog_key,
    fronted_key,
    keys_of,
    look_key,
    popped_key,
    taken_key,
)
from monoq.queue.ready import MIN_CAPACITY, Look, Placing, Popper, Ready, join
from monoq.store.database import Database
from monoq.store.jobs import JobStore
from monoq.store.limits import Limits
from monoq.store.policies import PolicyStore
from monoq.store.workers import WorkerStore
from monoq.upkeep.stager import BRIEF_ABOVE, Stager
from monoq.upkeep.troubles import Troubles

JOBS = "INSERT INTO jobs (tenant_id, type) SELECT"


def ids(first: int, end: int) -> list[UUID]:
    return [UUID(int=n) for n in range(first, end)]


@pytest.fixture
async def ready(redis_url: str) -> AsyncIterator[Ready]:
    made = Ready(redis_url)
    yield made
    await made.close()


@pytest.fixture
async def popper(redis_url: str) -> AsyncIterator[Popper]:
    made = Popper(redis_url)
    yield made
    await made.close()


@pytest.fixture
async def stager(database_url: str, ready: Ready) -> AsyncIterator[Stager]:
    """Not started."""
    database = await Database.connect(database_url, connections=4, plans="fresh", name="test")
    troubles = Troubles(Metrics(types=[], version="test"))
    made = Stager(
        jobs=JobStore(database),
        workers=WorkerStore(database),
        limits=Limits(PolicyStore(database)),
        ready=ready,
        troubles=troubles,
    )
    yield made
    await database.close()


async def listed(cache: "redis.asyncio.Redis", name: str = QUEUE) -> list[UUID]:
    return [
        UUID(item if isinstance(item, str) else item.decode())
        for item in await cache.lrange(name, 0, -1)
    ]


async def place(
    ready: Ready, found: list[UUID], how: Placing = Placing.INSTEAD, *, more: bool = False
) -> int:
    return await ready.place(QUEUE, join(found), how, more=more, rest_s=0.2)


async def test_a_write_that_is_under_way_is_no_refusal(
    ready: Ready, cache: "redis.asyncio.Redis"
) -> None:
    await ready.push(QUEUE, join(ids(0, 1)))
    await cache.client_pause(60_000, all=False)  # writes only
    try:
        push = asyncio.create_task(ready.push(QUEUE, join(ids(1, 2))))

        async def is_held() -> bool:
            return bool((await cache.info("clients"))["blocked_clients"])

        await eventually(is_held)
        assert not ready.refused, "workers would leave the lists alone"
    finally:
        await cache.client_unpause()
    assert await push == 1
    await cache.config_set("maxmemory", 1)
    try:
        with pytest.raises(QueueUnavailable):
            await ready.push(QUEUE, join(ids(2, 3)))
        assert ready.refused
    finally:
        await cache.config_set("maxmemory", 0)
    await ready.push(QUEUE, join(ids(2, 3)))
    assert not ready.refused


async def test_what_a_look_found_takes_the_place_of_what_stood_there(
    ready: Ready, cache: "redis.asyncio.Redis"
) -> None:
    assert await place(ready, ids(0, 10)) == 10
    assert await place(ready, ids(5, 8)) == 3
    assert await listed(cache) == ids(5, 8)
    assert await place(ready, ids(20, 22), Placing.BEHIND) == 5
    assert await place(ready, ids(30, 33), Placing.IN_FRONT) == 8
    assert await listed(cache) == [*ids(30, 33), *ids(5, 8), *ids(20, 22)]
    assert await place(ready, []) == 0
    assert await cache.exists(QUEUE) == 0


async def test_what_was_pushed_while_somebody_looked_is_not_forgotten(
    ready: Ready, cache: "redis.asyncio.Redis"
) -> None:
    """Its job may have been stored after the look had read the table."""
    await ready.push(QUEUE, join(ids(1, 3)))
    assert (await ready.begin_look(QUEUE)).go
    await ready.push(QUEUE, join(ids(10, 12)), join(ids(20, 22)))
    await place(ready, [*ids(1, 3), *ids(11, 12)])
    assert await listed(cache) == [
        *ids(21, 22),
        *ids(20, 21),
        *ids(1, 3),
        *ids(11, 12),
        *ids(10, 11),
    ]
    await cache.delete(look_key(QUEUE))
    assert (await ready.begin_look(QUEUE)).go
    await place(ready, ids(1, 2))
    assert await listed(cache) == ids(1, 2), "what stood there before the look is forgotten"


async def test_thousands_are_placed_in_their_order_from_either_end(
    ready: Ready, cache: "redis.asyncio.Redis"
) -> None:
    await place(ready, ids(0, 2500))
    await place(ready, ids(5000, 7500), Placing.IN_FRONT)
    assert await listed(cache) == [*ids(5000, 7500), *ids(0, 2500)]


async def test_what_was_popped_a_moment_ago_is_not_listed_once_more(
    ready: Ready, popper: Popper, cache: "redis.asyncio.Redis"
) -> None:
    """The look that found it may have been made before its claim."""
    await place(ready, ids(0, 100), more=True)
    popped, left = await popper.pop(QUEUE, 30)
    assert (popped, left) == ([str(one) for one in ids(0, 30)], 70)
    await place(ready, ids(0, 100), more=True)
    assert await listed(cache) == ids(30, 100)

    async def is_forgotten() -> bool:
        await place(ready, ids(0, 100), more=True)
        return await listed(cache) == ids(0, 100)

    await eventually(is_forgotten)  # it was not claimed, so it must stand there again


async def test_pushes_fill_the_list_only_while_nobody_waits_for_the_room(
    ready: Ready, cache: "redis.asyncio.Redis"
) -> None:
    ready.set_capacity(QUEUE, 40)
    assert await ready.push(QUEUE, join(ids(0, 30))) == 30
    assert await ready.push(QUEUE, join(ids(30, 60))) == 10, "it is full"
    assert await listed(cache) == ids(0, 40)
    await place(ready, ids(0, 20), more=True)
    assert await ready.push(QUEUE, join(ids(60, 70))) == 0, (
        "others wait: what is next is for a look to say"
    )
    await place(ready, ids(0, 20), more=False)
    assert await ready.push(QUEUE, join(ids(60, 70))) == 10
    assert await listed(cache) == [*ids(0, 20), *ids(60, 70)]


async def test_newcomers_go_to_the_front_a_bounded_number_between_two_looks(
    ready: Ready, cache: "redis.asyncio.Redis"
) -> None:
    ready.set_capacity(QUEUE, 40)
    await place(ready, ids(0, 40), more=True)
    assert await ready.push(QUEUE, "", join(ids(100, 115))) == 15
    assert await ready.push(QUEUE, "", join(ids(200, 215))) == 5, "half of what the list may hold"
    assert await ready.push(QUEUE, "", join(ids(300, 315))) == 0
    assert set((await listed(cache))[:20]) == {*ids(100, 115), *ids(200, 205)}
    await place(ready, ids(0, 40), more=True)
    assert await ready.push(QUEUE, "", join(ids(300, 315))) == 15


async def test_only_one_process_looks_and_a_short_list_is_looked_at_at_once(
    ready: Ready, cache: "redis.asyncio.Redis"
) -> None:
    ready.set_capacity(QUEUE, 40)
    assert (await ready.begin_look(QUEUE))[0]
    assert not (await ready.begin_look(QUEUE))[0], "somebody looks"
    await place(ready, ids(0, 40))
    assert not (await ready.begin_look(QUEUE))[0], "somebody just looked"
    await cache.ltrim(QUEUE, 0, 8)
    assert await ready.begin_look(QUEUE) == Look(True, 9, 0, frozenset())
    await eventually(lambda: _looks(ready))  # who looked may have died


async def _looks(ready: Ready) -> bool:
    return (await ready.begin_look(QUEUE))[0]


async def test_any_call_tells_whether_redis_is_there(redis_url: str) -> None:
    """Workers do not ask it before each claim while it is away."""
    nowhere, there = Ready("redis://127.0.0.1:1"), Ready(redis_url)
    assert not nowhere.away
    with pytest.raises(QueueUnavailable):
        await nowhere.begin_look(QUEUE)
    assert nowhere.away
    there.away = True
    await there.begin_look(QUEUE)
    assert not there.away
    with pytest.raises(QueueUnavailable):
        await nowhere.length()  # also before any worker is known
    assert await there.length() == 0
    await nowhere.close()
    await there.close()


@pytest.mark.parametrize("something", ["x", "1e300", "9" * 18 + "9", ["x"]])
@pytest.mark.parametrize("key", [taken_key, look_key, backlog_key, fronted_key, popped_key])
async def test_what_is_no_count_and_no_mark_of_ours_costs_no_id(
    ready: Ready,
    popper: Popper,
    cache: "redis.asyncio.Redis",
    something: str | list[str],
    key: Callable[[str], str],
) -> None:
    """Anybody may write into Redis."""
    name = key(QUEUE)
    await (
        cache.rpush(name, *something) if isinstance(something, list) else cache.set(name, something)
    )
    await ready.push(QUEUE, join(ids(0, 5)), join(ids(5, 10)))
    await place(ready, ids(0, 10))
    assert (await ready.begin_look(QUEUE))[1] == 10
    assert await popper.pop(QUEUE, 20) == ([str(one) for one in ids(0, 10)], 0)


async def test_a_list_that_nobody_looks_after_any_more_vanishes(
    ready: Ready, cache: "redis.asyncio.Redis"
) -> None:
    """Its workers are gone, and others know other types."""
    for how in Placing:
        await place(ready, ids(0, 3), how)
        assert 0 < await cache.pttl(QUEUE) <= 60_000
        await cache.persist(QUEUE)


async def test_a_list_that_is_none_is_dropped(ready: Ready, cache: "redis.asyncio.Redis") -> None:
    await cache.set(QUEUE, "x")
    await cache.set(taken_key(QUEUE), 7)
    with pytest.raises(QueueUnavailable):
        await ready.push(QUEUE, join(ids(0, 5)))
    assert await cache.exists(*keys_of(QUEUE)) == 0
    assert await ready.push(QUEUE, join(ids(0, 5))) == 5


async def test_the_list_grows_with_what_is_taken_and_is_short_again_when_that_ends(
    db: asyncpg.Connection,
    ready: Ready,
    popper: Popper,
    stager: Stager,
    cache: "redis.asyncio.Redis",
) -> None:
    """Else what was listed while jobs were quick would stand before everybody's when they are
    slow."""
    await register(db, "b")
    await db.execute(f"{JOBS} 't' || n % 3, 'b' FROM generate_series(1, 30000) AS n")
    staging = asyncio.create_task(stager.run())
    taken = 0
    async with asyncio.timeout(FACT_TIMEOUT_S):
        while await cache.llen(QUEUE) <= 3 * MIN_CAPACITY:
            found, left = await popper.pop(QUEUE, 500)
            stager.list_is(QUEUE, left)
            if found:
                await db.execute("DELETE FROM jobs WHERE id = ANY ($1::uuid[])", found)
            taken += len(found)
    assert ready.capacity(QUEUE) > 3 * MIN_CAPACITY
    assert (await ready.begin_look(QUEUE))[2] == taken
    await eventually(lambda: ready.capacity(QUEUE) == MIN_CAPACITY)
    await eventually(lambda: _is_no_longer_than(cache, MIN_CAPACITY))
    stager.stop()
    await staging


async def _is_no_longer_than(cache: "redis.asyncio.Redis", length: int) -> bool:
    return int(await cache.llen(QUEUE)) <= length


async def test_the_list_is_put_in_order_anew_for_a_newcomer_and_an_urgent_job(
    db: asyncpg.Connection, stager: Stager, cache: "redis.asyncio.Redis"
) -> None:
    await register(db, "b")
    await db.execute(f"{JOBS} 'large', 'b' FROM generate_series(1, 5000)")
    staging = asyncio.create_task(stager.run())
    await eventually(lambda: cache.llen(QUEUE))
    urgent = await db.fetchval(
        "INSERT INTO jobs (tenant_id, type, priority) VALUES ('large', 'b', -100) RETURNING id"
    )
    newcomer = await db.fetchval(
        "INSERT INTO jobs (tenant_id, type) VALUES ('other', 'b') RETURNING id"
    )

    async def in_front() -> bool:
        return {urgent, newcomer} <= set((await listed(cache))[:2])

    await eventually(in_front)  # nobody takes those that stood before them
    stager.stop()
    await staging


async def test_between_two_looks_at_a_long_list_newcomers_and_urgent_jobs_go_to_its_front(
    db: asyncpg.Connection, ready: Ready, stager: Stager, cache: "redis.asyncio.Redis"
) -> None:
    await register(db, "b")
    await db.execute(f"{JOBS} 'large', 'b' FROM generate_series(1, 8000)")
    await stager.look()
    (staging,) = [one for one, _ in stager._stagings.values() if one.name == QUEUE]
    for _ in range(3):
        staging.pace.per_s = 16 * BRIEF_ABOVE  # it falls with time
        await cache.delete(look_key(QUEUE), QUEUE)
        await stager.look()
    stood = await listed(cache)
    assert len(stood) > 2 * BRIEF_ABOVE
    urgent = await db.fetchval(
        "INSERT INTO jobs (tenant_id, type, priority) VALUES ('large', 'b', -100) RETURNING id"
    )
    newcomer = await db.fetchval(
        "INSERT INTO jobs (tenant_id, type) VALUES ('other', 'b') RETURNING id"
    )
    await cache.delete(look_key(QUEUE))
    await stager.look()
    stands = await listed(cache)
    assert set(stands[:2]) == {urgent, newcomer}
    assert stands[2:] == stood, "it is not put in order anew, which costs much"


@pytest.mark.alone
async def test_more_tenants_than_the_list_has_room_for_all_have_their_turn(
    db: asyncpg.Connection, popper: Popper, stager: Stager
) -> None:
    worker = await register(db, "b")
    await db.execute(f"{JOBS} 't' || n % 500, 'b' FROM generate_series(1, 1500) AS n")
    staging = asyncio.create_task(stager.run())
    served: dict[str, int] = {}
    async with asyncio.timeout(FACT_TIMEOUT_S):
        while len(served) < 500:
            found, left = await popper.pop(QUEUE, 20)
            stager.list_is(QUEUE, left)
            sql = """WITH gone AS (DELETE FROM jobs WHERE id = ANY ($1::uuid[]) RETURNING tenant_id)
                     SELECT tenant_id, count(*) AS jobs FROM gone GROUP BY 1"""
            for row in await db.fetch(sql, found):
                served[row["tenant_id"]] = served.get(row["tenant_id"], 0) + row["jobs"]
            await asyncio.sleep(0.05)  # so the list stays short
    assert worker
    assert max(served.values()) <= 2, "nobody's third before everybody's first"
    stager.stop()
    await staging


async def test_nothing_is_listed_for_a_worker_that_is_gone(
    db: asyncpg.Connection, stager: Stager, cache: "redis.asyncio.Redis"
) -> None:
    worker = await register(db, "b", threads=["plain"])
    for job_type in ("b", "plain", "unheard-of"):
        await db.execute(f"{JOBS} 't', $1 FROM generate_series(1, 10)", job_type)
    staging = asyncio.create_task(stager.run())

    async def lengths() -> list[int]:
        return [
            int(await cache.llen(name)) for name in (QUEUE, f"{QUEUE}:threads", f"{QUEUE}:children")
        ]

    async def are(*wanted: int) -> bool:
        return await lengths() == list(wanted)

    await eventually(lambda: are(10, 10, 0))
    await db.execute("UPDATE jobs SET deaths = 1 WHERE type = 'plain'")
    await eventually(lambda: are(10, 0, 10))  # suspects run alone
    await db.execute("UPDATE workers SET declared_lost = true WHERE id = $1", worker)
    await eventually(lambda: not stager._stagings)
    stager.stop()
    await staging


async def test_a_list_that_runs_short_has_no_other_list_looked_at(
    db: asyncpg.Connection,
    stager: Stager,
    cache: "redis.asyncio.Redis",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A drain would otherwise have the empty lists looked at a hundred times a second."""
    await register(db, "b")
    await stager.look()
    children = f"{QUEUE}:children"
    assert {staging.name for staging, _ in stager._stagings.values()} == {QUEUE, children}
    monkeypatch.setattr("monoq.upkeep.stager.PERIOD_S", 60)  # no look at all of them comes between

    async def looked_at() -> set[str]:
        await cache.delete(look_key(QUEUE), look_key(children))
        await stager.rest()
        await stager.look()
        return {name for name in (QUEUE, children) if await cache.exists(look_key(name))}

    assert await looked_at() == {QUEUE, children}, "when their time has come"
    stager.list_is(children, 0)
    assert await looked_at() == {children}
    stager.list_is(QUEUE, 0)
    assert await looked_at() == {QUEUE}
