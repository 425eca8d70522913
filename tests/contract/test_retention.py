"""Old jobs are removed: those and no others, with all that belongs to them, and nobody is left with
a state that is no more."""

import asyncio
import json
import sys
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import pytest
from conftest import FACT_TIMEOUT_S, Server, eventually, serving
from tables import DIFFER, claim, nodes_of, register

from contract.test_cursors import fresh_cursor, hear, subscribed
from monoq.config import load_settings
from monoq.errors import ConfigError
from monoq.observe.metrics import Metrics
from monoq.store.database import Database, query
from monoq.store.retention import FIRST, Kept, RetentionStore
from monoq.upkeep import retention
from monoq.upkeep.retention import Retention
from monoq.upkeep.troubles import Troubles

DAY_S = 86_400.0
WEEK = Kept(7 * DAY_S, 30 * DAY_S)
# What ended $2 days ago, an hour after it was made; ids are of that time, and the nth of it.
ENDED = """
    INSERT INTO jobs (id, tenant_id, type, status, created_at, finished_at)
    SELECT encode(overlay(uuid_send(lowest_id(made)) PLACING int4send(n) FROM 13), 'hex')::uuid,
           't' || n % 3, 'x' || n % 2, $1::text::job_status, made, made + interval '1 hour'
    FROM generate_series($3::int + 1, $3::int + $4::int) AS n,
         (SELECT now() - $2::float8 * interval '1 day' - interval '1 hour') AS moment (made)
    RETURNING id
"""


async def ended(
    db: asyncpg.Connection, status: str, days: float, jobs: int, first: int = 0
) -> list[UUID]:
    """Jobs with this status since so many days."""
    return [row["id"] for row in await db.fetch(ENDED, status, days, first, jobs)]


async def remove(
    db: asyncpg.Connection, kept: Kept = WEEK, limit: int = 7, told: int = 10**12
) -> tuple[int, int]:
    """A whole pass; how many jobs it looked at, and removed."""
    store, after = RetentionStore(db), FIRST
    looked = removed = 0
    while True:
        batch = await store.remove_jobs(after, kept, limit, told)
        looked, removed = looked + batch.looked, removed + batch.removed
        if batch.looked < limit or batch.reached is None:
            return looked, removed
        after = batch.reached


async def there(db: asyncpg.Connection) -> set[UUID]:
    return {row["id"] for row in await db.fetch("SELECT id FROM jobs")}


async def test_what_has_ended_long_ago_is_removed_and_nothing_else(db: asyncpg.Connection) -> None:
    worker = await register(db, "b")
    old = {
        *await ended(db, "COMPLETED", 8, 10),
        *await ended(db, "FAILED", 31, 10),
        *await ended(db, "CANCELLED", 31, 10, first=10),
    }
    set_end = "UPDATE jobs SET finished_at = now() - $2 * interval '1 day' WHERE id = $1"
    clock_ahead, wrong_clock = await ended(db, "COMPLETED", -400, 2)
    await db.execute(set_end, clock_ahead, 6)
    await db.execute(set_end, wrong_clock, 8)
    old.add(wrong_clock)
    kept = {
        *await ended(db, "COMPLETED", 6, 10, first=10),
        *await ended(db, "FAILED", 29, 10),
        *await ended(db, "CANCELLED", 8, 10, first=10),
        clock_ahead,
    }
    # made as long ago, and delayed, running, holding its key, or revived
    made = "now() - interval '60 days' - n * interval '1 s'"
    alive = await db.fetch(
        f"INSERT INTO jobs (id, tenant_id, type, run_at, key, created_at)"
        f" SELECT lowest_id({made}), 't', 'b', now() + (n % 3 - 1) * interval '1 hour',"
        f" CASE WHEN n > 9 THEN 'k' END, {made} FROM generate_series(1, 10) AS n RETURNING id"
    )
    kept |= {row["id"] for row in alive}
    assert len(await claim(db, [row["id"] for row in alive[:6]], worker, "b")) > 0
    (revived,) = await ended(db, "FAILED", 40, 1)
    assert await db.fetch(query("retry_job"), revived)
    kept.add(revived)
    await db.execute(
        "INSERT INTO job_progress (job_id, claim, fraction, text) SELECT id, 1, 1, '' FROM jobs"
    )
    await db.execute(
        "INSERT INTO job_log_lines (job_id, attempt, at, text) SELECT id, 1, now(), '' FROM jobs"
    )
    await db.fetch(query("fold_counts"), 1000)

    assert await there(db) == old | kept
    store = RetentionStore(db)
    dry = await store.remove_jobs(FIRST, WEEK, 1000, 10**12, dry=True)
    assert dry[:4] == (len(old | kept) - 10, len(old), 0, wrong_clock)
    assert dry.overdue_s == pytest.approx(DAY_S, abs=60)
    assert await there(db) == old | kept
    looked, removed = await remove(db)
    assert removed == len(old)
    assert looked == len(old | kept) - 10, "what is too young is not looked at"
    assert await there(db) == kept
    assert await db.fetch(DIFFER) == []
    for table in ("job_progress", "job_log_lines"):
        assert {row[0] for row in await db.fetch(f"SELECT job_id FROM {table}")} == kept
    assert await db.fetchval("SELECT count(*) FROM job_keys") == 1
    assert (await remove(db))[1] == 0
    assert (await remove(db, Kept(0, 0)))[1] == len(kept) - len(alive) - 1


async def test_the_floor_rises_with_what_is_removed_so_that_old_cursors_are_refused(
    db: asyncpg.Connection,
) -> None:
    floor = "SELECT floor::text::bigint FROM stream"
    await ended(db, "COMPLETED", 8, 5)
    await ended(db, "COMPLETED", 6, 5, first=5)
    last = await db.fetchval(
        "SELECT changed_xid FROM jobs ORDER BY finished_at, changed_xid DESC LIMIT 1"
    )
    assert await remove(db, told=last) == (5, 0), "its viewers may not have been told"
    assert await db.fetchval(floor) == 0
    assert await remove(db, told=last + 1) == (5, 5)
    assert await db.fetchval(floor) == last + 1
    # below what is kept for viewers, no cursor is honoured anyway: then the row is left alone
    await ended(db, "COMPLETED", 8, 5)
    await db.execute("UPDATE stream SET kept_from = pg_current_xact_id()")
    assert await remove(db) == (5, 5)
    assert await db.fetchval(floor) == last + 1


async def test_what_a_dump_brought_from_a_busier_cluster_is_removed_and_locks_nobody_out(
    db: asyncpg.Connection,
) -> None:
    await ended(db, "COMPLETED", 8, 5)
    await db.execute("UPDATE jobs SET changed_xid = '90000000000'")
    assert await remove(db, told=1000) == (5, 5)
    assert await db.fetchval("SELECT floor::text::bigint FROM stream") == 0


async def test_a_job_that_somebody_revives_at_this_moment_stays(
    db: asyncpg.Connection, database_url: str
) -> None:
    ids = await ended(db, "FAILED", 40, 3)
    other = await asyncpg.connect(database_url)
    transaction = other.transaction()
    await transaction.start()
    await other.fetch(query("retry_job"), ids[1])
    removing = asyncio.create_task(remove(db))
    await eventually(
        lambda: other.fetchval(
            "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        )
    )
    await transaction.commit()
    assert await removing == (3, 2)
    assert await there(db) == {ids[1]}
    assert await db.fetch(DIFFER) == []
    await other.close()


async def test_two_who_remove_at_once_count_nothing_twice(
    db: asyncpg.Connection, database_url: str
) -> None:
    await ended(db, "COMPLETED", 8, 3000)
    await ended(db, "COMPLETED", 1, 100, first=3000)
    others = [await asyncpg.connect(database_url) for _ in range(3)]
    passes = await asyncio.gather(*(remove(one, limit=100) for one in others))
    assert sum(removed for _, removed in passes) == 3000
    assert await db.fetch(DIFFER) == []
    for one in others:
        await one.close()


async def test_a_batch_walks_the_ids_and_finds_what_is_due_by_its_place(
    db: asyncpg.Connection,
) -> None:
    await ended(db, "FAILED", 8, 20_000)
    await ended(db, "COMPLETED", 8, 3000, first=20_000)
    await db.execute("ANALYZE jobs")
    await db.execute("SET plan_cache_mode = force_custom_plan")
    shown = json.loads(
        await db.fetchval(
            "EXPLAIN (ANALYZE, FORMAT JSON) " + query("remove_jobs"),
            FIRST,
            *WEEK,
            500,
            10**12,
            False,
        )
    )
    nodes = [node for node in nodes_of(shown[0]["Plan"]) if node.get("Relation Name") == "jobs"]
    scans = {node["Node Type"] for node in nodes} - {"ModifyTable"}
    assert scans <= {"Index Scan", "Tid Scan"}, shown
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {"jobs_pkey"}
    assert sum(node["Actual Rows"] for node in nodes if node["Node Type"] == "Index Scan") <= 500


def retention_of(database: Database, kept: Kept = WEEK) -> Retention:
    metrics = Metrics(types=["x"], version="1")
    return Retention(
        database=database,
        kept=kept,
        keys_kept_s=7 * DAY_S,
        metrics=metrics,
        troubles=Troubles(metrics),
    )


async def test_a_pass_goes_on_where_another_process_has_stopped(
    db: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "TOLD_S", 1e6)
    monkeypatch.setattr(retention, "FIRST_BATCH", 100)
    monkeypatch.setattr(retention, "MAX_BATCH", 100)
    monkeypatch.setattr(retention, "MIN_BATCH", 100)
    await ended(db, "COMPLETED", 8, 500)
    await ended(db, "FAILED", 8, 150, first=500)
    await db.execute("UPDATE retention SET told = '1000000000000'")
    database = await Database.connect(database_url, connections=2, plans="fresh")
    processes = [retention_of(database) for _ in range(4)]
    left = "SELECT count(*) FROM jobs WHERE status = 'COMPLETED'"
    for n, process in enumerate(processes):
        await process.look()
        assert await db.fetchval(left) == 400 - 100 * n
    lock = db.transaction()
    await lock.start()
    await db.execute("SELECT FROM retention FOR UPDATE")
    await processes[0].look()  # somebody else removes
    assert await db.fetchval(left) == 100
    await lock.rollback()
    for process in processes:
        await process.look()
    assert await db.fetchval(left) == 0
    row = await db.fetchrow("SELECT reached, next_at > now() AS rests FROM retention")
    assert (row["reached"], row["rests"]) == (FIRST, True)
    await ended(db, "COMPLETED", 8, 5)
    await processes[0].look()
    assert await db.fetchval(left) == 5, "the next pass has not begun"
    await db.execute("UPDATE retention SET next_at = now()")
    for process in processes[:2]:
        await process.look()
    assert await db.fetchval(left) == 0
    assert await db.fetch(DIFFER) == []
    await database.close()


def test_what_falls_behind_takes_more_of_the_time_up_to_a_half() -> None:
    hours = [retention.share(hours * 3600, 3600) for hours in (0, 1, 2, 4, 9, 11, 1000)]
    assert hours == pytest.approx([0.1, 0.1, 0.1, 0.2, 0.45, 0.5, 0.5])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told and due goes within seconds."""
    monkeypatch.setattr(retention, "TOLD_S", 3.0)  # an API is a second or two behind


@pytest.mark.usefixtures("quick")
async def test_who_was_away_while_jobs_were_removed_reads_anew_and_who_stayed_was_told(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    async with serving(
        database_url, redis_url, keep_completed_days=0, keep_failed_days=0
    ) as server:
        old = await fresh_cursor(server)
        async with subscribed(server, cursor=old, batch=True) as socket:
            assert (await hear(socket))["type"] == "SUBSCRIBED"
            ids = await server.submit([{"tenantId": "acme", "type": "nothing"}] * 20)
            last: dict[str, str] = {}
            while set(last) != set(ids) or set(last.values()) != {"COMPLETED"}:
                message = await hear(socket)
                last |= {update["jobId"]: update["status"] for update in message["updates"]}
            await eventually(lambda: db.fetchval("SELECT count(*) = 0 FROM jobs"))
            assert (await server.http.get(f"/jobs/{ids[0]}")).status_code == 404
            listed = (await server.http.get("/jobs", params={"tenantId": "acme"})).json()
            assert listed["jobs"] == []
            async with subscribed(server, cursor=old) as other:
                assert (await hear(other))["type"] == "SUBSCRIBED"
                assert (await hear(other))["type"] == "RESET"
            (job_id,) = await server.submit([{"tenantId": "acme", "type": "nothing"}])
            while not (updates := (await hear(socket))["updates"]):
                pass
            assert updates[0]["jobId"] == job_id, "it was not closed"
    assert await db.fetch(DIFFER) == []


async def test_who_stays_but_was_not_told_before_a_job_was_removed_is_closed(
    server: Server, db: asyncpg.Connection
) -> None:
    """An API that could not read for longer than the removal waits for it."""
    async with subscribed(server, cursor=await fresh_cursor(server), batch=True) as socket:
        assert (await hear(socket))["type"] == "SUBSCRIBED"
        async with db.transaction():
            await ended(db, "COMPLETED", 8, 1)
            assert (await remove(db))[1] == 1
        async with asyncio.timeout(FACT_TIMEOUT_S):
            await socket.wait_closed()
        assert socket.close_code == 1012


async def prune(url: str, *words: str, code: int = 0, answer: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monoq", "prune", "--database-url", url, *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(answer.encode())
    assert process.returncode == code, said
    return said.decode()


async def test_an_operator_prunes_and_is_asked_before(
    db: asyncpg.Connection, database_url: str
) -> None:
    async def made(jobs: Sequence[tuple[str, float]]) -> None:
        for n, (status, days) in enumerate(jobs):
            await ended(db, status, days, 600, first=600 * n)

    await made([("COMPLETED", 8), ("FAILED", 8), ("COMPLETED", 2), ("FAILED", 40)])
    assert "1,200 jobs would be removed" in await prune(database_url, "--dry-run")
    said = await prune(database_url, "--dry-run", "--older-than", "5d")
    assert "1,800 jobs would be removed" in said
    assert "Remove 1,200 jobs for good?" in await prune(database_url, answer="n\n", code=1)
    assert len(await there(db)) == 2400
    assert "removed 1,200 jobs" in await prune(database_url, answer="y\n")
    assert "removed 600 jobs" in await prune(database_url, "--older-than", "2.5d", "--yes")
    assert "removed 0 jobs" in await prune(database_url, "--older-than", "60h")
    assert await db.fetchval("SELECT count(*) FROM jobs WHERE status = 'COMPLETED'") == 600
    assert await db.fetch(DIFFER) == []
    for wrong in ("30", "d", "-1d", "1.2.3d", "1w"):
        assert "is not like" in await prune(database_url, f"--older-than={wrong}", code=2)


async def test_times_that_make_no_sense_are_refused() -> None:
    for name in ("keep_completed_days", "keep_failed_days", "keep_keys_days"):
        with pytest.raises(ConfigError, match=f"MONOQ_{name.upper()}"):
            load_settings(**{name: -1})
        assert getattr(load_settings(**{name: 0.001}), name) == 0.001
