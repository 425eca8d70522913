"""Which jobs are next: how deep the looks into the tenants go, whose turn it is, and what a look
reads."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import pytest
from conftest import eventually
from tables import claim, nodes_of, register

from monoq.errors import DatabaseUnavailable
from monoq.observe.metrics import Metrics
from monoq.queue.ready import split
from monoq.store.database import Database, query
from monoq.store.due import Due
from monoq.store.jobs import JobStore
from monoq.store.limits import Limits
from monoq.store.policies import PolicyStore
from monoq.upkeep.promoter import Promoter
from monoq.upkeep.troubles import Troubles
from monoq.worker.picker import Picker

JOBS = "INSERT INTO jobs (tenant_id, type) SELECT"
TAKES = [(False, "b")]
NEVER_TIME = datetime(1, 1, 1, tzinfo=UTC)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[JobStore]:
    """As the stager has it."""
    database = await Database.connect(database_url, connections=2, plans="fresh", name="test")
    yield JobStore(database)
    await database.close()


async def count(due: Due, most: int) -> int:
    return len(split((await due.select(most)).ids))


def due_of(store: JobStore, takes: Sequence[tuple[bool, str]] = TAKES) -> Due:
    return Due(store, takes, Limits(PolicyStore(cast(Database, store._database))))


async def tenants(db: asyncpg.Connection, ids: str) -> list[str]:
    """Whose jobs these are, in their order."""
    names = {
        str(row["id"]): row["tenant_id"] for row in await db.fetch("SELECT id, tenant_id FROM jobs")
    }
    return [names[job_id] for job_id in split(ids)]


async def test_looks_go_deeper_until_they_bring_enough_and_come_back(
    store: JobStore, db: asyncpg.Connection
) -> None:
    """One tenant has nearly all there is: an even share of each would not fill the list."""
    await db.execute(f"{JOBS} 'large', 'b' FROM generate_series(1, 5000)")
    await db.execute(f"{JOBS} 'small' || n, 'b' FROM generate_series(1, 99) AS n")
    due = due_of(store)
    found = [await count(due, 1000)]
    while due.falls_short and len(found) < 10:
        found.append(await count(due, 1000))
    assert found[0] < 200
    assert found[-1] == 1000
    assert 1000 in found[:5]
    await db.execute("DELETE FROM jobs WHERE tenant_id = 'large'")
    for _ in range(10):
        assert await count(due, 1000) == 99
    assert not due.falls_short
    await db.execute(f"{JOBS} 'large', 'b' FROM generate_series(1, 5000)")
    assert await count(due, 1000) == found[0]


async def test_jobs_are_taken_by_turns_and_a_crowd_stands_in_the_order_of_its_tenants(
    store: JobStore, db: asyncpg.Connection
) -> None:
    due = due_of(store, [(False, "x")])

    async def next_of(most: int, soon: int = 10_000) -> list[str]:
        return await tenants(db, (await due.select(most, soon=soon)).ids)

    for tenant, age in ("b", 3), ("c", 2), ("a", 1):
        for n in range(3):
            sql = (
                "INSERT INTO jobs (tenant_id, type, run_at) "
                "VALUES ($1, 'x', now() - $2 * interval '1 hour' + $3 * interval '1 s')"
            )
            await db.execute(sql, tenant, age, n)
    assert await next_of(6, soon=0) == ["b", "c", "a"] * 2, "the oldest first"
    await db.execute(f"{JOBS} 'crowd' || n % 117, 'x' FROM generate_series(1, 6 * 117) AS n")
    assert Counter(Counter(await next_of(240)).values()) == {2: 120}, "two of each"
    slow = Counter((await next_of(240, soon=0))[:120])
    assert Counter(slow.values()) == {1: 120}, "slow jobs: nobody's second before all firsts"
    firsts = set()
    for _ in range(20):
        names = [name for name in await next_of(4 * 120, soon=2 * 120) if name.startswith("crowd")]
        assert all(len(set(names[n : n + 2])) == 1 for n in range(0, 4 * 117, 2)), "two together"
        assert len(set(names[: 2 * 117])) == 117, "nobody's third before all seconds"
        firsts.add(names[0])
    assert len(firsts) > 1, "no tenant is always the first"


async def test_a_small_tenant_is_chosen_beside_a_large_one(
    store: JobStore, db: asyncpg.Connection
) -> None:
    await db.execute(f"{JOBS} 'large', 'b' FROM generate_series(1, 5000)")
    await db.execute(f"{JOBS} 'small', 'b' FROM generate_series(1, 10)")
    due = due_of(store)
    assert Counter(await tenants(db, (await due.select(100)).ids)) == {"large": 50, "small": 10}
    assert due.falls_short, "the large tenant has more than its even share, and there is room"
    found = await due.select(100)
    assert Counter(await tenants(db, found.ids)) == {"large": 90, "small": 10}
    assert found.more


async def test_priorities_count_within_a_tenant_and_age_between_those_alike(
    store: JobStore, db: asyncpg.Connection
) -> None:
    for n, priority in enumerate((5, 0, -5, 0)):
        await db.execute(
            "INSERT INTO jobs (tenant_id, type, priority, run_at, payload)"
            " VALUES ('t', 'b', $1, now() - interval '1 hour' + $2 * interval '1 s', "
            "to_jsonb($2::int))",
            priority,
            n,
        )
    ids = split((await due_of(store).select(10)).ids)
    order = {
        str(row["id"]): row["payload"] for row in await db.fetch("SELECT id, payload FROM jobs")
    }
    assert [order[job_id] for job_id in ids] == ["2", "1", "3", "0"]


async def test_only_the_types_and_suspects_that_are_asked_for_are_found(
    store: JobStore, db: asyncpg.Connection
) -> None:
    for job_type in "abc":
        for deaths in 0, 1:
            await db.execute(
                "INSERT INTO jobs (tenant_id, type, deaths) VALUES ('t', $1, $2)", job_type, deaths
            )

    async def found(*takes: tuple[bool, str]) -> set[tuple[bool, str]]:
        ids = split((await due_of(store, takes).select(10)).ids)
        rows = await db.fetch("SELECT deaths > 0, type FROM jobs WHERE id = ANY ($1::uuid[])", ids)
        assert len(rows) == len(ids)
        return set(map(tuple, rows))

    for takes in (
        [(False, "a")],
        [(True, "a"), (True, "b")],
        [(False, "c"), (True, "b")],
        [(False, "z")],
    ):
        assert await found(*takes) == set(takes) - {(False, "z")}


async def test_with_more_tenants_than_wanted_each_has_its_turn_as_looks_go_on(
    store: JobStore, db: asyncpg.Connection
) -> None:
    await db.execute(f"{JOBS} 't' || n % 230, 'b' FROM generate_series(1, 460) AS n")
    due, after, seen = due_of(store), "", Counter[str]()
    looks = 0
    while looks == 0 or after:
        found = await due.select(100, after=after)
        names = await tenants(db, found.ids)
        assert found.more or not found.last_tenant
        seen.update(set(names))
        after = found.last_tenant or ""
        looks += 1
    assert looks == 3
    assert set(seen) == {f"t{n}" for n in range(230)}
    assert set(seen.values()) == {1}


async def test_a_brief_look_finds_newcomers_and_what_is_urgent_and_nothing_of_the_busy(
    store: JobStore, db: asyncpg.Connection
) -> None:
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, priority) SELECT 'busy', 'b', 5 "
        "FROM generate_series(1, 3000)"
    )
    due = due_of(store)
    for _ in range(3):  # deep enough to know who is busy
        await due.select(1000)
    assert (await due.select_others(200)).ids == ""
    await db.execute(f"{JOBS} 'newcomer' || n, 'b' FROM generate_series(1, 3) AS n")
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, priority) VALUES ('busy', 'b', -100), ('busy', 'b', 6)"
    )
    found = await tenants(db, (await due.select_others(200)).ids)
    assert Counter(found) == {"newcomer1": 1, "newcomer2": 1, "newcomer3": 1, "busy": 1}
    assert Counter(await tenants(db, (await due.select(1000)).ids))["busy"] > 200, (
        "the next look knows them all"
    )


async def test_a_look_that_took_too_long_is_followed_by_a_light_one(
    store: JobStore, db: asyncpg.Connection
) -> None:
    """A deep look may have been what took so long."""
    await db.execute(f"{JOBS} 'large', 'b' FROM generate_series(1, 5000)")
    await db.execute(f"{JOBS} 'small' || n, 'b' FROM generate_series(1, 99) AS n")
    due = due_of(store)
    light, deep = [await count(due, 1000) for _ in range(2)]
    assert light < deep
    async with db.transaction():
        await db.execute("LOCK TABLE waiting_jobs IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnavailable):
            await due.select(1000)
    assert await count(due, 1000) == light


async def rows_read(db: asyncpg.Connection, table: str, name: str, *arguments: Any) -> int:
    """How many rows of a table a statement has met, those it found gone among them."""
    await db.execute("SET plan_cache_mode = force_custom_plan")
    shown = await db.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + query(name), *arguments)
    nodes = list(nodes_of(json.loads(shown)[0]["Plan"]))
    scans = [node for node in nodes if node.get("Relation Name") == table]
    assert scans
    assert not [node for node in scans if node["Node Type"] == "Seq Scan"], shown
    return sum(
        round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in scans
    )


NOBODY: list[list[Any]] = [[], [], [], [], [], []]  # no pair is known to be busy


async def found_by(db: asyncpg.Connection, *arguments: Any) -> int:
    return sum(row["n"] for row in await db.fetch(query("select_waiting_jobs"), *arguments))


def places(job_type: str) -> list[list[Any]]:
    return [[False], [job_type], [""], [None]]


async def test_a_look_reads_what_it_finds_and_nothing_of_what_cannot_run(
    db: asyncpg.Connection,
) -> None:
    """50,000 jobs of a type without a worker, and 50,000 that are not due: each look would walk
    over them."""
    await db.execute(f"{JOBS} 't' || n % 7, 'unheard-of' FROM generate_series(1, 50000) AS n")
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, run_at) SELECT 't' || n % 7, 'b', now() + interval "
        "'1 hour' FROM generate_series(1, 50000) AS n"
    )
    await db.execute(f"{JOBS} 't' || n % 7, 'b' FROM generate_series(1, 70) AS n")
    await db.execute("ANALYZE waiting_jobs, delayed_jobs")
    arguments = (100, *places("b"), *NOBODY, 1)
    assert await found_by(db, *arguments) == 70
    assert await rows_read(db, "waiting_jobs", "select_waiting_jobs", *arguments) < 200
    assert await rows_read(db, "delayed_jobs", "promote_delayed_jobs", 1000, NEVER_TIME) < 5


async def test_choosing_costs_what_is_chosen_however_many_tenants_wait(
    db: asyncpg.Connection,
) -> None:
    await db.execute(f"{JOBS} 't' || n, 'b' FROM generate_series(1, 30000) AS n")
    await db.execute("ANALYZE waiting_jobs")
    for after in "", "t2":
        arguments = (200, [False], ["b"], [after], [None], *NOBODY, 1)
        assert await found_by(db, *arguments) == 200
        assert await rows_read(db, "waiting_jobs", "select_waiting_jobs", *arguments) <= 3 * 200


async def rows_met(
    db: asyncpg.Connection, busy: Sequence[Sequence[Any]], own_places: Sequence[Sequence[Any]]
) -> int:
    """How many rows a look had to ask the table for, gone or not."""
    arguments = (100, *own_places, *busy, 1)
    shown = await db.fetchval(
        "EXPLAIN (ANALYZE, FORMAT JSON) " + query("select_waiting_jobs"), *arguments
    )
    return sum(node.get("Heap Fetches", 0) for node in nodes_of(json.loads(shown)[0]["Plan"]))


async def test_rows_that_are_gone_and_that_no_vacuum_may_remove_are_walked_seldom(
    store: JobStore, db: asyncpg.Connection, database_url: str
) -> None:
    """Somebody holds a snapshot while a tenant's jobs are claimed: each stands before the next
    one."""
    worker = await register(db, "b")
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, run_at)"
        " SELECT 'busy', 'b', now() - (30000 - n) * interval '1 s' "
        "FROM generate_series(1, 20000) AS n"
    )
    holder = await asyncpg.connect(database_url)
    held = holder.transaction(isolation="repeatable_read")
    await held.start()
    await holder.fetch("SELECT count(*) FROM jobs")
    ids = [
        row["id"]
        for row in await db.fetch("SELECT id FROM waiting_jobs ORDER BY run_at LIMIT 15000")
    ]
    assert len(await claim(db, ids, worker, "b")) == 15000
    due = due_of(store)
    for _ in range(3):
        assert await count(due, 1000) == 1000
    (known,) = due._busy
    columns: list[list[Any]] = [
        [known.suspect],
        [known.type],
        [known.tenant_id],
        [known.priority],
        [known.run_at],
        [known.id],
    ]
    hops: list[list[Any]] = [[False, False], ["b", "b"], ["", "busy"], ["busy", None]]
    whole, brief = await rows_met(db, NOBODY, places("b")), await rows_met(db, columns, hops)
    await held.rollback()
    await holder.close()
    assert whole > 15000
    assert brief < 1000


async def test_a_tenant_without_jobs_left_costs_no_more_than_a_busy_one(
    db: asyncpg.Connection, database_url: str
) -> None:
    """Its rows are gone, and stand in the index as long as somebody holds a snapshot."""
    database = await Database.connect(database_url, connections=1, plans="fresh", name="test")
    worker = await register(db, "b")
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, run_at)"
        " SELECT 'drained', 'b', now() - (30000 - n) * interval '1 s' "
        "FROM generate_series(1, 20000) AS n"
    )
    await db.execute(f"{JOBS} 'other', 'b' FROM generate_series(1, 10)")
    due = due_of(JobStore(database))

    async def entries_read() -> int:
        async with database.connection() as connection:
            await connection.execute("SELECT pg_stat_force_next_flush()")
            read = (
                "SELECT idx_tup_read FROM pg_stat_user_indexes "
                "WHERE indexrelname = 'waiting_jobs_next'"
            )
            return int(await connection.fetchval(read))

    holder = await asyncpg.connect(database_url)
    held = holder.transaction(isolation="repeatable_read")
    await held.start()
    await holder.fetch("SELECT count(*) FROM jobs")
    while ids := [
        row["id"]
        for row in await db.fetch(
            "SELECT id FROM waiting_jobs WHERE tenant_id = 'drained' ORDER BY run_at LIMIT 4000"
        )
    ]:
        for _ in range(4):
            await due.select(1000)
        await claim(db, ids, worker, "b")
    looks = []
    for _ in range(20):  # a whole one among them, perhaps
        before = await entries_read()
        assert await count(due, 1000) == 10
        looks.append(await entries_read() - before)
    before = await entries_read()
    await db.execute(f"{JOBS} 'drained', 'b' FROM generate_series(1, 3)")
    assert Counter(await tenants(db, (await due.select_others(200)).ids)) == {
        "drained": 3,
        "other": 10,
    }
    brief = await entries_read() - before
    await held.rollback()
    await holder.close()
    await database.close()
    assert sorted(looks)[10] < 10_000, looks
    assert brief < 10_000


async def test_what_one_look_found_is_shared_by_the_lanes_of_a_worker(
    store: JobStore, db: asyncpg.Connection
) -> None:
    await db.execute(f"{JOBS} 'a', 'b' FROM generate_series(1, 400)")
    picker = Picker(due_of(store))
    picked = [
        job_id
        for ids in await asyncio.gather(*[picker.pick(100) for _ in range(4)])
        for job_id in ids
    ]
    assert len(set(picked)) == len(picked) == 400


async def test_delayed_jobs_wait_with_the_others_when_their_time_comes(
    store: JobStore, db: asyncpg.Connection
) -> None:
    delayed = (
        "INSERT INTO jobs (tenant_id, type, run_at) "
        "SELECT 't', 'b', now() + $1 * interval '1 s' FROM generate_series(1, $2)"
    )
    await db.execute(delayed, 0.5, 12)
    await db.execute(delayed, 3600, 5)
    promoter = Promoter(store, Troubles(Metrics(types=[], version="test")))
    promoting = asyncio.create_task(promoter.run())
    due = due_of(store)

    async def found(number: int) -> bool:
        return await count(due, 100) == number

    await eventually(lambda: found(12))
    assert (
        0
        <= await db.fetchval("SELECT date_part('epoch', now() - max(run_at)) FROM waiting_jobs")
        < 1
    )
    await db.execute("UPDATE jobs SET run_at = now() + interval '0.2 s' WHERE run_at > now()")
    await eventually(lambda: found(17))
    promoter.stop()
    await promoting
    assert await db.fetchval("SELECT count(*) FROM delayed_jobs") == 0


async def test_once_slots_are_taken_who_holds_few_is_next_and_an_idle_system_takes_turns(
    store: JobStore, db: asyncpg.Connection
) -> None:
    await db.execute(f"{JOBS} 'holds', 'b' FROM generate_series(1, 500)")
    await db.execute(f"{JOBS} 'waits', 'b' FROM generate_series(1, 500)")
    due = due_of(store)
    due.work.slots = 60
    worker = await register(db, "b")
    ids = await db.fetch("SELECT id FROM jobs WHERE tenant_id = 'holds' ORDER BY id LIMIT 29")
    await claim(db, [row["id"] for row in ids], worker, "b")
    assert Counter(await tenants(db, (await due.select(20)).ids)) == {"holds": 10, "waits": 10}
    more = await db.fetch(
        "SELECT id FROM jobs WHERE tenant_id = 'holds' AND status = 'PENDING' ORDER BY id LIMIT 11"
    )
    await claim(db, [row["id"] for row in more], worker, "b")
    await db.execute("UPDATE jobs SET started_at = now() - interval '10 s' WHERE worker_id > 0")

    async def noticed() -> bool:
        await due.select(20)
        return due.work.decides

    await eventually(noticed)
    assert Counter(await tenants(db, (await due.select(20)).ids)) == {"waits": 20}
    # it holds 40, of jobs that take long; the other gets as many, and then they share
    shared = Counter(await tenants(db, (await due.select(100)).ids))
    assert 68 <= shared["waits"] <= 72, shared
    shown = await db.fetch("EXPLAIN (ANALYZE) " + query("measure_held"), ["b"], 41, 0.01)
    assert "never executed" in "\n".join(row[0] for row in shown), "it reads no job"
    # Short runs of the same type hide the long ones in its mean, but not from a look at some.
    await db.execute("UPDATE workers SET run_s = ARRAY[0.001]")
    held = await store.measure_held(["b"], 30, 0.01)
    assert [(row["tenant_id"], row["held"]) for row in held] == [("holds", 40)]
    await db.execute("UPDATE jobs SET started_at = now() WHERE status = 'RUNNING'")
    assert await store.measure_held(["b"], 30, 0.01) == []
