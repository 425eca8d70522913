"""Which jobs are next: how deep the looks into the tenants go, and what a worker does with them while Redis is away."""

import asyncio
from collections import Counter

import asyncpg
import pytest

from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.queue.ready import Ready, split
from monoq.store.database import Database
from monoq.store.due import Due
from monoq.store.jobs import JobStore
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

    async def tenants_of_next(most: int) -> list[str]:
        names = {str(row["id"]): row["tenant_id"] for row in await db.fetch("SELECT id, tenant_id FROM jobs")}
        return [names[job_id] for job_id in split(await due.select(most))]

    for tenant, age in ("b", 3), ("c", 2), ("a", 1):
        for n in range(3):
            sql = "INSERT INTO jobs (tenant_id, type, run_at) VALUES ($1, 'x', now() - $2 * interval '1 hour' + $3 * interval '1 s')"
            await db.execute(sql, tenant, age, n)
    assert await tenants_of_next(6) == ["b", "c", "a"] * 2, "the oldest first"
    await db.execute("INSERT INTO jobs (tenant_id, type) SELECT 'crowd' || n % 117, 'x' FROM generate_series(1, 6 * 117) AS n")
    assert Counter(Counter(await tenants_of_next(240)).values()) == {2: 120}, "two of each"
    firsts = set()
    for _ in range(20):
        names = [name for name in await tenants_of_next(4 * 120) if name.startswith("crowd")]
        assert all(len(set(names[n : n + 4])) == 1 for n in range(0, 4 * 117, 4)), "four together"
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
        await db.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
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
        await nowhere.length()
    assert nowhere.away
    there.away = True
    await there.length()
    assert not there.away
    await nowhere.close()
    await there.close()
