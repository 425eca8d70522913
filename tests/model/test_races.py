"""Statements that meet halfway. One is held up in the middle by a trigger that waits for an
advisory lock; the others go past it."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
from conftest import FACT_TIMEOUT_S, eventually
from tables import DIFFER, claim, register

from monoq.store.database import PINNED_PLANS, query

FIRST, SECOND = UUID(int=1), UUID(int=2)
GATE = 4711
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
HOLD_UP = f"""
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id = '{FIRST}' AND NEW.status <> 'RUNNING' THEN
        PERFORM pg_advisory_xact_lock({GATE});
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER wait_at_the_gate BEFORE UPDATE ON jobs
    FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate();
"""


@pytest.fixture
async def others(database_url: str) -> AsyncIterator[list[asyncpg.Connection]]:
    """Connections as workers have them: one to be held up, one to go past it."""
    connections = [
        await asyncpg.connect(database_url, server_settings=PINNED_PLANS) for _ in range(2)
    ]
    yield connections
    for connection in connections:
        await connection.close()


async def waits_at_the_gate(db: asyncpg.Connection) -> bool:
    return bool(
        await db.fetchval(
            (
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 "
                "AND NOT granted"
            ),
            GATE,
        )
    )


@pytest.mark.parametrize("registered", ["before", "after"])
async def test_a_slow_rescuer_leaves_a_job_alone_that_was_claimed_meanwhile(
    db: asyncpg.Connection, others: list[asyncpg.Connection], registered: str
) -> None:
    """Another rescuer frees the job, a live worker claims it, and only then the slow one gets to
    it, with its old snapshot in hand."""
    slow, fast = others
    await db.execute(HOLD_UP)
    dead = await register(db, "x")
    live = await register(db, "x") if registered == "before" else 0
    await db.execute(
        "INSERT INTO jobs (id, tenant_id, type) VALUES ($1, 't', 'x'), ($2, 't', 'x')",
        FIRST,
        SECOND,
    )
    assert len(await claim(db, [FIRST, SECOND], dead, "x")) == 2
    # while it is there, one rescuer at a time has hold of it
    await db.execute("DELETE FROM workers WHERE id = $1", dead)

    await db.execute("SELECT pg_advisory_lock($1)", GATE)
    rescue = asyncio.create_task(slow.fetch(query("rescue_jobs"), 1000, 100))
    await eventually(lambda: waits_at_the_gate(db))
    assert [row["id"] for row in await fast.fetch(query("rescue_jobs"), 1000, 100)] == [SECOND]
    live = live or await register(db, "x")
    assert len(await claim(fast, [SECOND], live, "x", suspects=True)) == 1
    await db.execute("SELECT pg_advisory_unlock($1)", GATE)

    assert [row["id"] for row in await rescue] == [FIRST]
    job = await db.fetchrow("SELECT status::text, worker_id, claim FROM jobs WHERE id = $1", SECOND)
    assert tuple(job) == ("RUNNING", live, 2)


async def test_the_jobs_of_a_lost_worker_are_freed_by_one_rescuer_and_the_others_do_not_wait(
    db: asyncpg.Connection, others: list[asyncpg.Connection]
) -> None:
    slow, fast = others
    await db.execute(HOLD_UP)
    dead = await register(db, "x")
    await db.execute(
        "INSERT INTO jobs (id, tenant_id, type) VALUES ($1, 't', 'x'), ($2, 't', 'x')",
        FIRST,
        SECOND,
    )
    assert len(await claim(db, [FIRST, SECOND], dead, "x")) == 2
    await db.execute("UPDATE workers SET expires_at = now() - interval '1 s' WHERE id = $1", dead)
    await db.execute("SELECT pg_advisory_lock($1)", GATE)
    rescue = asyncio.create_task(slow.fetch(query("rescue_jobs"), 1000, 100))
    await eventually(lambda: waits_at_the_gate(db))
    assert await fast.fetch(query("rescue_jobs"), 1000, 100) == []
    await db.execute("SELECT pg_advisory_unlock($1)", GATE)
    assert sorted(row["id"] for row in await rescue) == [FIRST, SECOND]
    assert await db.fetchval("SELECT declared_lost FROM workers WHERE id = $1", dead)


async def test_a_job_that_changes_between_a_claims_snapshot_and_its_lock_goes_on_waiting(
    db: asyncpg.Connection, others: list[asyncpg.Connection]
) -> None:
    """The claim is held up at the row of its worker, after its snapshot and before it locks any
    job."""
    claiming, changing = others
    worker = await register(db, "x")
    ids = [UUID(int=n) for n in range(1, 5)]
    await db.execute(
        "INSERT INTO jobs (id, tenant_id, type) SELECT id, 't', 'x' FROM unnest($1::uuid[]) AS id",
        ids,
    )
    async with changing.transaction():
        await changing.execute("SELECT FROM workers WHERE id = $1 FOR UPDATE", worker)
        claimed = asyncio.create_task(claim(claiming, ids, worker, "x"))
        await eventually(
            lambda: db.fetchval(
                "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            )
        )
        await db.execute("UPDATE jobs SET priority = priority + 1 WHERE id = $1", ids[1])
        await db.execute(
            "UPDATE jobs SET status = 'CANCELLED', version = 2, finished_at = now() WHERE id = $1",
            ids[2],
        )
    assert [row["id"] for row in await claimed] == [ids[0], ids[3]]
    assert [
        row["status"] for row in await db.fetch("SELECT status::text FROM jobs ORDER BY id")
    ] == [
        "RUNNING",
        "PENDING",
        "CANCELLED",
        "RUNNING",
    ]
    assert [row["id"] for row in await db.fetch("SELECT id FROM waiting_jobs")] == [ids[1]]
    assert len(await claim(claiming, ids, worker, "x")) == 1


@pytest.mark.parametrize(
    "change", ["is cancelled", "is claimed", "is delayed further", "is to run at once"]
)
async def test_a_delayed_job_that_changes_while_it_is_promoted_leaves_nothing_behind(
    db: asyncpg.Connection, others: list[asyncpg.Connection], change: str
) -> None:
    """Its time has come, and somebody else has got hold of it: each of the two may be the first to
    commit."""
    promoting, changing = others
    worker = await register(db, "x")
    early = (
        "INSERT INTO jobs (id, tenant_id, type, run_at) "
        "SELECT id, 't', 'x', now() + interval '0.2 s' FROM unnest($1::uuid[]) AS id"
    )

    async def change_it() -> None:
        if change == "is cancelled":
            assert await changing.fetch(query("cancel_job"), FIRST)
        elif change == "is claimed":
            assert len(await claim(changing, [FIRST], worker, "x")) <= 1
        else:
            run_at = "now() + interval '1 hour'" if change == "is delayed further" else "now()"
            await changing.execute(
                (
                    f"UPDATE jobs SET run_at = {run_at}, changed_xid = pg_current_xact_id() "
                    "WHERE id = $1"
                ),
                FIRST,
            )

    for first in ("the promoter", "the other"):
        await db.execute("DELETE FROM jobs")
        await db.execute(early, [FIRST, SECOND])
        await eventually(
            lambda: db.fetchval("SELECT bool_and(run_at <= clock_timestamp()) FROM jobs")
        )
        one, other = (promoting, changing) if first == "the promoter" else (changing, promoting)
        transaction = one.transaction()
        await transaction.start()
        if one is promoting:
            await promoting.fetch(query("promote_delayed_jobs"), 10, EARLIEST)
            second = asyncio.create_task(change_it())
        else:
            await change_it()
            second = asyncio.create_task(other.fetch(query("promote_delayed_jobs"), 10, EARLIEST))
        await asyncio.wait([second], timeout=0.2)
        await transaction.commit()
        await second
        assert await db.fetch(DIFFER) == [], first
        await db.fetch(query("promote_delayed_jobs"), 10, EARLIEST)
        assert await db.fetch(DIFFER) == [], first
        assert SECOND in [row["id"] for row in await db.fetch("SELECT id FROM waiting_jobs")]


async def test_a_beat_that_meets_a_rescue_renews_the_lease_or_finds_it_taken_and_never_both(
    db: asyncpg.Connection, others: list[asyncpg.Connection]
) -> None:
    """A worker that was cut off beats at the very moment at which its jobs are taken."""
    one, another = others
    for first in ("the beat", "the rescue"):
        worker = await register(db, "x")
        await db.execute("DELETE FROM jobs")
        await db.execute("INSERT INTO jobs (id, tenant_id, type) VALUES ($1, 't', 'x')", SECOND)
        assert await claim(db, [SECOND], worker, "x")
        await db.execute(
            "UPDATE workers SET expires_at = now() - interval '1 s' WHERE id = $1", worker
        )
        transaction = one.transaction()
        await transaction.start()
        if first == "the beat":
            assert await one.fetchval(query("beat_worker"), worker, 10.0, 0, []) == worker
            assert await another.fetch(query("rescue_jobs"), 1000, 100) == []
            await transaction.commit()
            assert await another.fetch(query("rescue_jobs"), 1000, 100) == []
            continue
        assert len(await one.fetch(query("rescue_jobs"), 1000, 100)) == 1
        beat = asyncio.create_task(another.fetchval(query("beat_worker"), worker, 10.0, 0, []))
        await asyncio.wait([beat], timeout=0.1)
        await transaction.commit()
        assert await beat is None
        assert await claim(another, [SECOND], worker, "x", suspects=True) == []


FINISHERS, RESCUERS = 5, 2
ENOUGH = {
    "claim_jobs": 5000,
    "complete_jobs": 1000,
    "end_runs": 1000,
    "rescue_jobs": 500,
    "cancel_job": 50,
    "retry_job": 50,
}


async def test_five_that_claim_and_finish_two_that_rescue_and_people_who_cancel_never_deadlock(
    db: asyncpg.Connection, database_url: str
) -> None:
    """Over 100 tenants; every array of ids in an order of its own. A deadlock would come back as an
    error of one of the statements."""
    ids = [UUID(int=n) for n in range(1, 1501)]
    await db.execute(
        (
            "INSERT INTO jobs (id, tenant_id, type) SELECT id, 't' || floor(random() * 100), 'x' "
            "FROM unnest($1::uuid[]) id"
        ),
        ids,
    )
    done = dict.fromkeys((*ENOUGH, "fold_counts", "fold_claims", "prune_claims"), 0)

    def goes_on() -> bool:
        return any(done[name] < rows for name, rows in ENOUGH.items())

    async def run(connection: asyncpg.Connection, name: str, *args: object) -> list[asyncpg.Record]:
        rows = list(await connection.fetch(query(name), *args))
        done[name] += len(rows)
        return rows

    async def finish(
        connection: asyncpg.Connection, runs: list[asyncpg.Record], worker: int
    ) -> None:
        job_ids, claims = [row["id"] for row in runs], [row["claim"] for row in runs]
        if random.random() < 0.5:
            await run(connection, "complete_jobs", job_ids, claims, ["1"] * len(runs), worker)
        else:
            ends = [[end] * len(runs) for end in ("PENDING", 0, 1, 0, 0, None, None)]
            await run(connection, "end_runs", job_ids, claims, *ends, worker)

    async def work(one: asyncpg.Connection, other: asyncpg.Connection) -> None:
        worker = await register(one, "x")
        while goes_on():
            suspects = random.random() < 0.5
            runs = await claim(one, random.sample(ids, 60), worker, "x", suspects=suspects)
            done["claim_jobs"] += len(runs)
            random.shuffle(runs)
            dies = random.random() < 0.2
            if dies:
                await one.execute(
                    "UPDATE workers SET expires_at = now() - interval '1 s' WHERE id = $1", worker
                )
                # these it is late with; the rest it leaves to the rescuers
                runs = runs[len(runs) // 3 :]
            half = len(runs) // 2
            await asyncio.gather(
                finish(one, runs[:half], worker), finish(other, runs[half:], worker)
            )
            if dies:
                worker = await register(one, "x")
            elif random.random() < 0.2:
                await run(one, "fold_claims", worker, [])

    async def rescue(connection: asyncpg.Connection) -> None:
        while goes_on():
            await run(connection, "rescue_jobs", 1000, 100)
            await run(connection, "prune_claims")

    async def people(connection: asyncpg.Connection) -> None:
        while goes_on():
            for job_id in random.sample(ids, 10):
                await run(connection, "cancel_job", job_id)
                await run(connection, "retry_job", job_id)
            again = (
                "UPDATE jobs SET status = 'PENDING', finished_at = NULL, version = version + 1 "
                "WHERE id = $1 AND status = 'COMPLETED'"
            )
            for job_id in random.sample(ids, 20):  # or there would soon be nothing left to do
                await connection.execute(again, job_id)
            await run(connection, "fold_counts", 1000)

    connections = [
        await asyncpg.connect(database_url, server_settings=PINNED_PLANS)
        for _ in range(2 * FINISHERS + RESCUERS + 2)
    ]
    pairs = list(
        zip(connections[0 : 2 * FINISHERS : 2], connections[1 : 2 * FINISHERS : 2], strict=True)
    )
    rescuers = connections[2 * FINISHERS : 2 * FINISHERS + RESCUERS]
    async with asyncio.timeout(3 * FACT_TIMEOUT_S):
        await asyncio.gather(
            *[work(*pair) for pair in pairs], *map(rescue, rescuers), *map(people, connections[-2:])
        )
    for connection in connections:
        await connection.close()
    assert (
        await db.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        == 0
    )
