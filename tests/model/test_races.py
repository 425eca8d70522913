"""Statements that meet halfway. One is held up in the middle by a trigger that waits for an advisory lock; the others go past it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from conftest import eventually

from monoq.store.database import PINNED_PLANS, query
from monoq.store.workers import WORKER_LOCKS

FIRST, SECOND = UUID(int=1), UUID(int=2)
GATE = 4711
HOLD_UP = f"""
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id = '{FIRST}' AND NEW.status <> 'RUNNING' THEN
        PERFORM pg_advisory_xact_lock({GATE});
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER wait_at_the_gate BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate();
"""


@pytest.fixture
async def others(database_url: str) -> AsyncIterator[list[asyncpg.Connection]]:
    """Connections as workers have them: one to be held up, one to go past it."""
    connections = [await asyncpg.connect(database_url, server_settings=PINNED_PLANS) for _ in range(2)]
    yield connections
    for connection in connections:
        await connection.close()


async def register(db: asyncpg.Connection) -> int:
    return int(await db.fetchval(query("register_worker"), "w", 1, ["x"], 10.0))


async def waits_at_the_gate(db: asyncpg.Connection) -> bool:
    return bool(await db.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted", GATE))


@pytest.mark.parametrize("registered", ["before", "after"])
async def test_a_slow_rescuer_leaves_a_job_alone_that_was_claimed_meanwhile(
    db: asyncpg.Connection, others: list[asyncpg.Connection], registered: str
) -> None:
    """Another rescuer frees the job, a live worker claims it, and only then the slow one gets to it, with its old snapshot in hand."""
    slow, fast = others
    await db.execute(HOLD_UP)
    dead = await register(db)
    live = await register(db) if registered == "before" else 0
    await db.execute("INSERT INTO jobs (id, tenant_id, type) VALUES ($1, 't', 'x'), ($2, 't', 'x')", FIRST, SECOND)
    assert len(await db.fetch(query("claim_jobs"), [FIRST, SECOND], dead, ["x"], [60_000])) == 2
    await db.execute("UPDATE workers SET expires_at = now() - interval '1 s' WHERE id = $1", dead)

    await db.execute("SELECT pg_advisory_lock($1)", GATE)
    rescue = asyncio.create_task(slow.fetch(query("rescue_jobs"), 1000, WORKER_LOCKS))
    await eventually(lambda: waits_at_the_gate(db))
    assert [row["id"] for row in await fast.fetch(query("rescue_jobs"), 1000, WORKER_LOCKS)] == [SECOND]
    live = live or await register(db)
    assert len(await fast.fetch(query("claim_jobs"), [SECOND], live, ["x"], [60_000])) == 1
    await db.execute("SELECT pg_advisory_unlock($1)", GATE)

    assert [row["id"] for row in await rescue] == [FIRST]
    job = await db.fetchrow("SELECT status::text, worker_id, claim FROM jobs WHERE id = $1", SECOND)
    assert tuple(job) == ("RUNNING", live, 2)
