"""Which jobs are next: how deep the looks into the tenants go."""

import asyncpg
import pytest

from monoq.errors import DatabaseUnavailable
from monoq.queue.ready import split
from monoq.store.database import Database
from monoq.store.due import Due
from monoq.store.jobs import JobStore


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
