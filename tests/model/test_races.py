"""Statements that meet halfway. One is held up in the middle by a trigger that waits for an advisory lock; the others go past it."""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from conftest import FACT_TIMEOUT_S, eventually

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


async def test_a_job_that_changes_between_a_claims_snapshot_and_its_lock_goes_on_waiting(
    db: asyncpg.Connection, others: list[asyncpg.Connection]
) -> None:
    """The claim is held up at the row of its worker, after its snapshot and before it locks any job."""
    claiming, changing = others
    worker = await register(db)
    ids = [UUID(int=n) for n in range(1, 5)]
    await db.execute("INSERT INTO jobs (id, tenant_id, type) SELECT id, 't', 'x' FROM unnest($1::uuid[]) AS id", ids)
    async with changing.transaction():
        await changing.execute("SELECT FROM workers WHERE id = $1 FOR UPDATE", worker)
        claim = asyncio.create_task(claiming.fetch(query("claim_jobs"), ids, worker, ["x"], [60_000]))
        await eventually(lambda: db.fetchval("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        await db.execute("UPDATE jobs SET priority = priority + 1 WHERE id = $1", ids[1])
        await db.execute("UPDATE jobs SET status = 'CANCELLED', version = 2, finished_at = now() WHERE id = $1", ids[2])
    assert [row["id"] for row in await claim] == [ids[0], ids[3]]
    assert [row["status"] for row in await db.fetch("SELECT status::text FROM jobs ORDER BY id")] == [
        "RUNNING",
        "PENDING",
        "CANCELLED",
        "RUNNING",
    ]
    assert [row["id"] for row in await db.fetch("SELECT id FROM waiting_jobs")] == [ids[1]]
    assert len(await claiming.fetch(query("claim_jobs"), ids, worker, ["x"], [60_000])) == 1


FINISHERS, RESCUERS = 5, 2
ENOUGH = {"claim_jobs": 5000, "complete_jobs": 1000, "end_runs": 1000, "rescue_jobs": 500, "cancel_job": 50, "retry_job": 50}


async def test_five_that_claim_and_finish_two_that_rescue_and_people_who_cancel_never_deadlock(
    db: asyncpg.Connection, database_url: str
) -> None:
    """Over 100 tenants; every array of ids in an order of its own. A deadlock would come back as an error of one of the statements."""
    ids = [UUID(int=n) for n in range(1, 1501)]
    await db.execute("INSERT INTO jobs (id, tenant_id, type) SELECT id, 't' || floor(random() * 100), 'x' FROM unnest($1::uuid[]) id", ids)
    done = dict.fromkeys((*ENOUGH, "fold_counts", "fold_claims", "prune_claims"), 0)

    def goes_on() -> bool:
        return any(done[name] < rows for name, rows in ENOUGH.items())

    async def run(connection: asyncpg.Connection, name: str, *args: object) -> list[asyncpg.Record]:
        rows = list(await connection.fetch(query(name), *args))
        done[name] += len(rows)
        return rows

    async def finish(connection: asyncpg.Connection, runs: list[asyncpg.Record], worker: int) -> None:
        job_ids, claims = [row["id"] for row in runs], [row["claim"] for row in runs]
        if random.random() < 0.5:
            await run(connection, "complete_jobs", job_ids, claims, ["1"] * len(runs), worker)
        else:
            ends = [[end] * len(runs) for end in ("PENDING", 0, 1, 0, 0, None)]
            await run(connection, "end_runs", job_ids, claims, *ends, worker)

    async def work(one: asyncpg.Connection, other: asyncpg.Connection) -> None:
        worker = await register(one)
        while goes_on():
            runs = await run(one, "claim_jobs", random.sample(ids, 60), worker, ["x"], [60_000])
            random.shuffle(runs)
            dies = random.random() < 0.2
            if dies:
                await one.execute("UPDATE workers SET expires_at = now() - interval '1 s' WHERE id = $1", worker)
                runs = runs[len(runs) // 3 :]  # these it is late with; the rest it leaves to the rescuers
            half = len(runs) // 2
            await asyncio.gather(finish(one, runs[:half], worker), finish(other, runs[half:], worker))
            if dies:
                worker = await register(one)
            elif random.random() < 0.2:
                await run(one, "fold_claims", worker)

    async def rescue(connection: asyncpg.Connection) -> None:
        while goes_on():
            await run(connection, "rescue_jobs", 1000, WORKER_LOCKS)
            await run(connection, "prune_claims")

    async def people(connection: asyncpg.Connection) -> None:
        while goes_on():
            for job_id in random.sample(ids, 10):
                await run(connection, "cancel_job", job_id)
                await run(connection, "retry_job", job_id)
            again = "UPDATE jobs SET status = 'PENDING', finished_at = NULL, version = version + 1 WHERE id = $1 AND status = 'COMPLETED'"
            for job_id in random.sample(ids, 20):  # or there would soon be nothing left to do
                await connection.execute(again, job_id)
            await run(connection, "fold_counts")

    connections = [await asyncpg.connect(database_url, server_settings=PINNED_PLANS) for _ in range(2 * FINISHERS + RESCUERS + 2)]
    pairs = list(zip(connections[0 : 2 * FINISHERS : 2], connections[1 : 2 * FINISHERS : 2], strict=True))
    rescuers = connections[2 * FINISHERS : 2 * FINISHERS + RESCUERS]
    async with asyncio.timeout(3 * FACT_TIMEOUT_S):
        await asyncio.gather(*[work(*pair) for pair in pairs], *map(rescue, rescuers), *map(people, connections[-2:]))
    for connection in connections:
        await connection.close()
    assert await db.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
