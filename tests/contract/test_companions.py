"""The tables beside `jobs`: what waits, what runs, what changed. They follow whoever writes, and
make no change of a job dearer."""

import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tables import DIFFER, claim, nodes_of, register

from monoq.job import Status
from monoq.store.database import Database, query
from monoq.store.listing import JobFilter, JobLists


async def test_they_follow_whoever_writes(db: asyncpg.Connection) -> None:
    runs = (
        "status = 'RUNNING', worker_id = 1 + length(tenant_id), deadline_at = now() + "
        "length(type) * interval '1 min'"
    )
    ended = "worker_id = NULL, deadline_at = NULL, finished_at = now()"
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, priority) SELECT 't' || n % 3, 'x' || n % 2, n % 5 "
        "FROM generate_series(1, 30) AS n"
    )
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, status, worker_id, deadline_at) "
        "VALUES ('a', 'x', 'RUNNING', 7, now())"
    )
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, status, finished_at) VALUES ('a', 'x', 'FAILED', now())"
    )
    assert await db.fetch(DIFFER) == []
    for change in (
        f"{runs} WHERE priority = 0 AND status = 'PENDING'",
        "priority = 9 WHERE priority = 1",  # those still wait
        "run_at = now() + interval '1 hour', type = 'y' WHERE priority IN (2, 9)",
        "priority = priority + 1 WHERE run_at > now()",
        "run_at = now() WHERE priority = 10",  # some of those that were delayed
        "deaths = 1",  # some of each
        "deadline_at = now() - interval '1 hour' WHERE status = 'RUNNING'",
        f"status = 'COMPLETED', {ended} WHERE status = 'RUNNING' AND tenant_id = 't1'",
        f"status = 'CANCELLED', {ended} WHERE priority = 3",
        (
            "status = 'PENDING', worker_id = NULL, deadline_at = NULL WHERE status = 'RUNNING' "
            "AND tenant_id = 't2'"
        ),
        "status = 'PENDING', finished_at = NULL WHERE status = 'FAILED'",
    ):
        changed = await db.execute(f"UPDATE jobs SET changed_xid = pg_current_xact_id(), {change}")
        assert changed != "UPDATE 0", change
        assert await db.fetch(DIFFER) == [], change
    await db.execute("DELETE FROM jobs WHERE tenant_id = 't0'")
    assert await db.fetch(DIFFER) == []
    assert await db.fetchval("SELECT count(*) FROM waiting_jobs") > 5
    tables = (
        "waiting_jobs",
        "delayed_jobs",
        "claims",
        "job_changes",
        "job_counts",
        "job_totals",
        "job_count_changes",
    )
    await db.fetch(query("fold_counts"), 1000)
    assert await db.fetch(DIFFER) == []
    assert await db.fetchval("SELECT sum(jobs) > 0 FROM job_totals")
    await db.execute("TRUNCATE jobs")
    for table in tables:
        assert await db.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_a_claim_and_an_end_write_no_entry_in_any_index_of_jobs(
    db: asyncpg.Connection,
) -> None:
    """They are heap-only (HOT): an index of a column that they change, or with the status in its
    condition, would cost every job."""
    worker = await register(db, "b")
    await db.execute(
        "INSERT INTO jobs (tenant_id, type) SELECT 't' || n % 7, 'b' "
        "FROM generate_series(1, 200) AS n"
    )
    ids = [row["id"] for row in await db.fetch("SELECT id FROM jobs ORDER BY id")]
    back = [
        ["PENDING"] * 100,
        [0] * 100,
        [1] * 100,
        [0] * 100,
        [0] * 100,
        [None] * 100,
        [None] * 100,
    ]
    assert len(await claim(db, ids, worker, "b")) == 200
    assert (
        len(await db.fetch(query("complete_jobs"), ids[:100], [1] * 100, [None] * 100, worker))
        == 100
    )
    assert len(await db.fetch(query("end_runs"), ids[100:], [1] * 100, *back, worker)) == 100
    await db.execute("SELECT pg_stat_force_next_flush()")
    updated = await db.fetchrow(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'jobs'"
    )
    assert tuple(updated) == (400, 400)


async def test_claims_are_folded_into_what_runs_and_those_of_the_dead_are_removed(
    db: asyncpg.Connection,
) -> None:
    live, dead = [await register(db, "b") for _ in range(2)]
    await db.execute(
        "INSERT INTO jobs (tenant_id, type) SELECT 't', 'b' FROM generate_series(1, 60)"
    )
    ids = [row["id"] for row in await db.fetch("SELECT id FROM jobs ORDER BY id")]

    async def complete(first: int, end: int, worker: int) -> None:
        n = end - first
        assert (
            len(await db.fetch(query("complete_jobs"), ids[first:end], [1] * n, [None] * n, worker))
            == n
        )

    async def claims() -> int:
        return int(await db.fetchval("SELECT count(*) FROM claims"))

    for first in range(0, 60, 10):
        await claim(db, ids[first : first + 10], live if first < 30 else dead, "b")
    assert await claims() == 6
    await complete(0, 25, live)
    assert sorted(row["id"] for row in await db.fetch(query("fold_claims"), live, [])) == ids[25:30]
    assert (
        sorted(await db.fetchval("SELECT ids FROM claims WHERE worker_id = $1", live)) == ids[25:30]
    )
    await complete(25, 30, live)
    await db.execute(query("prune_claims"))
    assert await claims() == 4, "a worker with a lease folds its own"
    assert await db.fetch(query("fold_claims"), live, []) == []

    await complete(30, 45, dead)
    # Of a claim that its worker names as ended, no job is looked up, and the others are.
    xid = await db.fetchval(
        "SELECT xid FROM claims WHERE worker_id = $1 AND $2 = ANY (ids)", dead, ids[50]
    )
    assert len(await db.fetch(query("fold_claims"), dead, [xid])) == 5
    await db.execute("INSERT INTO claims (worker_id, ids) VALUES ($1, $2)", dead, ids[50:60])
    await db.execute("UPDATE workers SET expires_at = now() - interval '2 h' WHERE id = $1", dead)
    for _ in range(2):
        await db.execute(query("prune_claims"))
        await db.execute(query("prune_workers"), 3600)
        assert await claims() == 2, "some of these are still to be rescued"
        assert await db.fetchval("SELECT count(*) FROM workers WHERE id = $1", dead) == 1
    assert len(await db.fetch(query("rescue_jobs"), 1000, 100)) == 15
    await db.execute(query("prune_claims"))
    await db.execute(query("prune_workers"), 3600)
    assert await claims() == 0
    assert await db.fetchval("SELECT count(*) FROM workers WHERE id = $1", dead) == 0


async def test_changes_are_kept_for_an_hour_and_then_pruned(
    db: asyncpg.Connection, database_url: str
) -> None:
    change = (
        "INSERT INTO jobs (tenant_id, type) SELECT 't' || n % 3, 'b' "
        "FROM generate_series(1, 6) AS n"
    )

    async def time_passes(hours: float) -> bool:
        await db.execute("UPDATE stream SET marked_at = marked_at - $1 * interval '1 hour'", hours)
        return bool(await db.fetch(query("retire_changes"), 3600.0))

    async def kept() -> int:
        while await db.fetchval(query("prune_changes"), 2):
            pass
        return int(await db.fetchval("SELECT count(*) FROM job_changes"))

    await db.execute(change)
    assert not await time_passes(0.9)
    assert await time_passes(0.2), "a mark"
    assert not await time_passes(0)
    assert await kept() == 3, "as it is not known how old they are"
    other = await asyncpg.connect(database_url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(change)
    await db.execute(change)
    assert await time_passes(1.1)
    assert await kept() == 3, "the first three are gone"
    assert await time_passes(1.1), "as long as a transaction is open, no mark is above it"
    await transaction.commit()
    assert await kept() == 6
    assert await time_passes(1.1)
    assert await kept() == 6
    assert await time_passes(1.1)
    assert await kept() == 0
    await other.close()


async def test_in_a_restored_database_changes_are_kept_though_the_dump_says_otherwise(
    db: asyncpg.Connection,
) -> None:
    await db.execute("INSERT INTO jobs (tenant_id, type) VALUES ('t', 'b')")
    # of a long life elsewhere
    await db.execute(
        "UPDATE stream SET floor = '1000000000', kept_from = '1000000000', mark = '1000000001'"
    )
    await db.execute(
        "INSERT INTO job_changes (changed_xid, tenant_id, ids) "
        "VALUES ('999999999', 't', '{}'), ('1000000009', 't', '{}')"
    )
    assert await db.fetchval(query("prune_changes"), 100) == 0
    await db.execute(query("begin_stream"))
    begun = await db.fetchrow("SELECT floor, kept_from, mark FROM stream")
    assert max(begun) <= await db.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    assert await db.fetchval(query("prune_changes"), 100) == 3, (
        "what is from before, too: it is another stream"
    )
    await db.execute("INSERT INTO jobs (tenant_id, type) VALUES ('t', 'b')")
    assert await db.fetchval(query("prune_changes"), 100) == 0
    await db.execute(query("begin_stream"))
    assert await db.fetchrow("SELECT floor, kept_from, mark FROM stream") == begun


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", None])
async def test_jobs_are_listed_by_status_page_by_page(
    database_url: str, db: asyncpg.Connection, status: str | None
) -> None:
    await db.execute("""
        INSERT INTO jobs (id, tenant_id, type, status, run_at,
          deaths, worker_id, deadline_at, finished_at)
        SELECT gen_random_uuid(), 't' || n % 2, 'x' || n % 3, status,
               now() + CASE WHEN n % 5 = 0 THEN interval '1 hour' ELSE '0' END,
               CASE WHEN n % 7 = 0 THEN 1 ELSE 0 END,
               CASE status WHEN 'RUNNING' THEN n % 4 END,
               CASE status WHEN 'RUNNING' THEN now() END,
               CASE WHEN status NOT IN ('PENDING', 'RUNNING') THEN now() END
        FROM generate_series(1, 60) AS n, unnest(enum_range(NULL::job_status)) AS status
    """)
    database = await Database.connect(database_url, connections=1, plans="fresh")
    store = JobLists(database)
    for job_type, expected in (None, 30), ("x1", 10):
        truth = await db.fetch(
            """SELECT id FROM jobs
               WHERE tenant_id = 't1' AND ($1::job_status IS NULL OR status = $1)
                  AND ($2::text IS NULL OR type = $2)
               ORDER BY id DESC""",
            status,
            job_type,
        )
        listed: list[UUID] = []
        below = None
        while True:
            wanted = JobFilter("t1", Status(status) if status else None, job_type)
            page, below = await store.list_jobs(wanted, below, 7)
            assert len(page) == 7 or below is None
            listed += [row["id"] for row in page]
            if below is None:
                break
        assert listed == [row["id"] for row in truth]
        assert len(listed) == expected * (1 if status else 5)
    await database.close()


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "FAILED"])
async def test_few_jobs_are_not_looked_for_among_all_that_have_ended(
    db: asyncpg.Connection, status: str
) -> None:
    ended = (
        "INSERT INTO jobs (tenant_id, type, status, finished_at) "
        "SELECT 't', 'x', 'COMPLETED', now() FROM generate_series(1, 20000)"
    )
    await db.execute(ended)
    await db.execute("ANALYZE jobs, waiting_jobs, delayed_jobs, claims")
    await db.execute("SET plan_cache_mode = force_custom_plan")
    name = {"PENDING": "list_waiting_jobs", "RUNNING": "list_running_jobs"}.get(
        status, "list_bad_jobs"
    )
    arguments: list[Any] = (
        ["t", status, None, None, None, 50, 50]
        if name == "list_bad_jobs"
        else ["t", None, None, None, 50]
    )
    shown = json.loads(
        await db.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + query(name), *arguments)
    )
    assert (
        sum(node.get("Rows Removed by Filter", 0) for node in nodes_of(shown[0]["Plan"])) < 100
    ), shown
