"""Which jobs are next: how deep the looks into the tenants go, and what a worker does with them while Redis is away."""

import asyncio
from collections import Counter
from uuid import UUID

import asyncpg
import pytest
import redis.asyncio
from conftest import FACT_TIMEOUT_S, eventually

from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.queue.keys import QUEUE, TAKEN
from monoq.queue.ready import MIN_CAPACITY, OVERFULL, Popper, Ready, split
from monoq.store.database import Database
from monoq.store.due import Due
from monoq.store.jobs import JobStore
from monoq.store.workers import WorkerStore
from monoq.upkeep.stager import Stager
from monoq.worker.picker import Picker


async def test_looks_go_deeper_until_they_bring_enough_and_come_back(database_url: str, db: asyncpg.Connection) -> None:
    """One tenant has nearly all there is: an even share of each would not fill the list."""
    await db.execute("INSERT INTO jobs (tenant_id, type) SELECT 'large', 'b' FROM generate_series(1, 5000)")
    await db.execute("INSERT INTO jobs (tenant_id, type) SELECT 'small' || n, 'b' FROM generate_series(1, 99) AS n")
    database = await Database.connect(database_url, connections=1, plans="fresh", name="test")
    due = Due(JobStore(database))
    found = [len(split(await due.select(1000)))]
    while due.falls_short:
        found.append(len(split(await due.select(1000))))
    assert found == sorted(found)
    assert found[0] < 200
    assert found[-1] == 1000
    assert len(found) <= 5
    await db.execute("DELETE FROM jobs WHERE tenant_id = 'large'")
    for _ in range(10):
        assert len(split(await due.select(1000))) == 99
    assert not due.falls_short
    await db.execute("INSERT INTO jobs (tenant_id, type) SELECT 'large', 'b' FROM generate_series(1, 5000)")
    assert len(split(await due.select(1000))) == found[0]
    await database.close()


async def test_jobs_are_taken_by_turns_and_a_crowd_stands_in_the_order_of_its_tenants(database_url: str, db: asyncpg.Connection) -> None:
    database = await Database.connect(database_url, connections=1, plans="fresh", name="test")
    due = Due(JobStore(database))

    async def tenants_of_next(most: int, soon: int = 10_000) -> list[str]:
        names = {str(row["id"]): row["tenant_id"] for row in await db.fetch("SELECT id, tenant_id FROM jobs")}
        return [names[job_id] for job_id in split(await due.select(most, soon=soon))]

    for tenant, age in ("b", 3), ("c", 2), ("a", 1):
        for n in range(3):
            sql = "INSERT INTO jobs (tenant_id, type, run_at) VALUES ($1, 'x', now() - $2 * interval '1 hour' + $3 * interval '1 s')"
            await db.execute(sql, tenant, age, n)
    assert await tenants_of_next(6, soon=0) == ["b", "c", "a"] * 2, "the oldest first"
    await db.execute("INSERT INTO jobs (tenant_id, type) SELECT 'crowd' || n % 117, 'x' FROM generate_series(1, 6 * 117) AS n")
    assert Counter(Counter(await tenants_of_next(240)).values()) == {2: 120}, "two of each"
    assert Counter(Counter((await tenants_of_next(240, soon=0))[:120]).values()) == {1: 120}, "slow jobs: nobody's second before all firsts"
    firsts = set()
    for _ in range(20):
        names = [name for name in await tenants_of_next(4 * 120, soon=2 * 120) if name.startswith("crowd")]
        assert all(len(set(names[n : n + 2])) == 1 for n in range(0, 4 * 117, 2)), "two together, as there is room for"
        assert len(set(names[: 2 * 117])) == 117, "nobody's third before all seconds"
        firsts.add(names[0])
    assert len(firsts) > 1, "no tenant is always the first"
    await database.close()


async def test_a_look_that_took_too_long_is_followed_by_a_light_one(database_url: str, db: asyncpg.Connection) -> None:
    """A deep look may have been what took so long."""
    await db.execute("INSERT INTO jobs (tenant_id, type) SELECT 'large', 'b' FROM generate_series(1, 5000)")
    await db.execute("INSERT INTO jobs (tenant_id, type) SELECT 'small' || n, 'b' FROM generate_series(1, 99) AS n")
    database = await Database.connect(database_url, connections=1, plans="fresh", name="test")
    due = Due(JobStore(database))
    light, deep = [len(split(await due.select(1000))) for _ in range(2)]
    assert light < deep
    async with db.transaction():
        await db.execute("LOCK TABLE waiting_jobs IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnavailable):
            await due.select(1000)
    assert len(split(await due.select(1000))) == light
    await database.close()


async def test_what_one_look_found_is_shared_by_the_lanes_of_a_worker(database_url: str, db: asyncpg.Connection) -> None:
    await db.execute("INSERT INTO jobs (tenant_id, type) SELECT 'a', 'b' FROM generate_series(1, 400)")
    database = await Database.connect(database_url, connections=2, plans="fresh", name="test")
    picker = Picker(Due(JobStore(database), ["b"]))
    picked = [job_id for ids in await asyncio.gather(*[picker.pick(100) for _ in range(4)]) for job_id in ids]
    assert len(set(picked)) == len(picked) == 400
    await database.close()


async def test_any_call_tells_whether_redis_is_there(redis_url: str) -> None:
    """Workers do not ask it before each claim while it is away."""
    nowhere, there = Ready("redis://127.0.0.1:1"), Ready(redis_url)
    assert not nowhere.away
    with pytest.raises(QueueUnavailable):
        await nowhere.look()
    assert nowhere.away
    there.away = True
    await there.look()
    assert not there.away
    await nowhere.close()
    await there.close()


async def test_the_list_grows_with_what_is_taken_and_is_cut_when_that_ends(
    database_url: str, db: asyncpg.Connection, redis_url: str, cache: "redis.asyncio.Redis"
) -> None:
    """Else what was listed while jobs were quick would stand before everybody's when they are slow."""
    await db.execute("INSERT INTO jobs (tenant_id, type) SELECT 't' || n % 3, 'b' FROM generate_series(1, 30000) AS n")
    database = await Database.connect(database_url, connections=2, plans="fresh", name="test")
    ready, popper = Ready(redis_url), Popper(redis_url)
    stager = Stager(due=Due(JobStore(database)), workers=WorkerStore(database), ready=ready)
    staging = asyncio.create_task(stager.run())
    taken = 0
    async with asyncio.timeout(FACT_TIMEOUT_S):
        while await cache.llen(QUEUE) <= OVERFULL * MIN_CAPACITY:
            ids, left = await popper.pop(500)  # nobody claims them, so they are listed again
            stager.list_is(left)
            taken += len(ids)
    assert ready.capacity > OVERFULL * MIN_CAPACITY
    assert (await ready.look())[1] == taken
    await eventually(lambda: ready.capacity == MIN_CAPACITY)
    await eventually(lambda: _is_no_longer_than(cache, OVERFULL * MIN_CAPACITY))
    stager.stop()
    await staging
    await popper.close()
    await ready.close()
    await database.close()


async def test_a_list_that_another_process_fills_meanwhile_is_left_alone(
    database_url: str, db: asyncpg.Connection, redis_url: str, cache: "redis.asyncio.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may know of a quicker pace, and fill the list beyond what is wanted here."""
    await db.execute("INSERT INTO jobs (tenant_id, type) SELECT 't', 'b' FROM generate_series(1, 10) AS n")
    database = await Database.connect(database_url, connections=1, plans="fresh", name="test")
    ready = Ready(redis_url)
    look = ready.look

    async def look_and_be_overtaken() -> tuple[int, int]:
        found = await look()
        await cache.rpush(QUEUE, *[str(UUID(int=n)) for n in range(2 * MIN_CAPACITY)])
        return found

    monkeypatch.setattr(ready, "look", look_and_be_overtaken)
    await Stager(due=Due(JobStore(database)), workers=WorkerStore(database), ready=ready)._top_up()
    assert await cache.llen(QUEUE) == 2 * MIN_CAPACITY
    await ready.close()
    await database.close()


async def _is_no_longer_than(cache: "redis.asyncio.Redis", length: int) -> bool:
    return int(await cache.llen(QUEUE)) <= length


@pytest.mark.parametrize("something", ["x", "1e300", "9" * 18 + "9", ["x"]])
async def test_a_count_that_is_none_costs_no_id(redis_url: str, cache: "redis.asyncio.Redis", something: str | list[str]) -> None:
    ready, popper = Ready(redis_url), Popper(redis_url)
    await (cache.rpush(TAKEN, *something) if isinstance(something, list) else cache.set(TAKEN, something))
    ids = [str(UUID(int=n)) for n in range(10)]
    await ready.push(",".join(ids))
    assert (await ready.look())[0] == 10
    assert await popper.pop(20) == (ids, 0)
    await popper.close()
    await ready.close()
