"""The table's own rules, and the plans that its statements must have."""

import json
import re
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from conftest import eventually
from tables import nodes_of

from monoq import NewJob, submit
from monoq.errors import IdempotencyConflict
from monoq.store.database import PINNED_PLANS, Database, query


async def test_the_table_refuses_states_that_cannot_be(db: asyncpg.Connection) -> None:
    for wrong in (
        "status = 'RUNNING'",
        "worker_id = 1",
        "status = 'COMPLETED'",
        "finished_at = now()",
        "priority = 101",
        "max_attempts = 0",
        "tenant_id = 'a b'",
    ):
        await db.execute("INSERT INTO jobs (tenant_id, type) VALUES ('a', 'b')")
        with pytest.raises(asyncpg.CheckViolationError):
            await db.execute(f"UPDATE jobs SET {wrong}")


async def test_names_are_compared_byte_by_byte_in_every_table_and_index(
    db: asyncpg.Connection,
) -> None:
    """Whatever the language of the database is: its rules are slow, and change with the system's
    libraries."""
    found = await db.fetch(
        """SELECT attrelid::regclass::text AS place, attname, collname
           FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
             JOIN pg_collation ON pg_collation.oid = attcollation
           WHERE relnamespace = 'public'::regnamespace AND attname IN ('tenant_id', 'type')"""
    )
    tables = {
        "jobs",
        "waiting_jobs",
        "delayed_jobs",
        "job_changes",
        "job_counts",
        "job_count_changes",
    }
    indexes = {
        "jobs_of_tenant",
        "waiting_jobs_next",
        "delayed_jobs_of_tenant",
        "job_changes_of_tenant",
    }
    assert tables | indexes <= {row["place"] for row in found}
    assert {row["collname"] for row in found} == {"C"}, found


async def test_counts_follow_whoever_writes(db: asyncpg.Connection) -> None:
    await db.execute(
        "INSERT INTO jobs (tenant_id, type) SELECT 't' || n % 3, 'x' FROM generate_series(1, 30) n"
    )
    await db.execute(
        "UPDATE jobs SET status = 'FAILED', finished_at = now() WHERE tenant_id = 't1'"
    )
    await db.fetch(query("fold_counts"), 1000)
    await db.execute("DELETE FROM jobs WHERE tenant_id = 't2'")
    await db.execute("INSERT INTO jobs (tenant_id, type) VALUES ('t0', 'x')")
    counted = {
        (r["tenant_id"], r["status"]): r["jobs"]
        for r in await db.fetch(query("count_jobs"), ["t0", "t1", "t2"])
        if r["jobs"]
    }
    assert counted == {("t0", "PENDING"): 11, ("t1", "FAILED"): 10}


async def test_submit_belongs_to_the_callers_transaction(db: asyncpg.Connection) -> None:
    job = NewJob(tenant_id="a", type="echo", payload={"n": 1}, idempotency_key="k")
    transaction = db.transaction()
    await transaction.start()
    (first,) = await submit(db, job)
    assert first.created
    await transaction.rollback()
    assert await db.fetchval("SELECT count(*) FROM jobs") == 0
    (first,) = await submit(db, job)
    (again,) = await submit(
        db, NewJob(tenant_id="a", type="echo", payload={"n": 1}, idempotency_key="k")
    )
    assert (again.id, again.created) == (first.id, False)
    with pytest.raises(IdempotencyConflict):
        await submit(db, NewJob(tenant_id="a", type="echo", payload={"n": 2}, idempotency_key="k"))


async def test_the_oldest_waiting_job_is_found_by_hopping_over_the_index(
    db: asyncpg.Connection,
) -> None:
    await db.execute("""
        INSERT INTO jobs (tenant_id, type, priority, run_at)
        SELECT 't' || n % 50, 'x', n % 3, now() + (10000 - n) * interval '1 s'
        FROM generate_series(1, 20000) AS n
    """)
    await db.execute("ANALYZE waiting_jobs")
    for tenants in ([f"t{n}" for n in range(50)], ["t7", "nobody"]):
        shown = await db.fetch("EXPLAIN (ANALYZE, BUFFERS) " + query("find_oldest_of"), tenants)
        text = "\n".join(row[0] for row in shown)
        assert "Seq Scan on waiting_jobs" not in text, text
        assert re.search("Index (Only )?Scan using waiting_jobs_next", text), text
        # one per tenant, priority and kind of suspect, of 20,000 jobs
        assert max(int(rows) for rows in re.findall(r"actual[^)]*rows=(\d+)", text)) <= 300, text
        found = {
            row["tenant_id"]: row["waited_s"]
            for row in await db.fetch(query("find_oldest_of"), tenants)
        }
        truth = await db.fetch(
            "SELECT tenant_id, date_part('epoch', now() - min(run_at)) AS s FROM jobs"
            " WHERE run_at <= now() AND tenant_id = ANY ($1::text[]) GROUP BY 1",
            tenants,
        )
        assert found == pytest.approx({row["tenant_id"]: row["s"] for row in truth}, abs=5)
        assert len(found) == len(set(tenants) - {"nobody"})


async def generic_plan(db: asyncpg.Connection, name: str) -> dict[str, Any]:
    """The plan of a statement that a worker's connection makes, whatever the arguments will be."""
    for setting, value in PINNED_PLANS.items():
        await db.execute(f"SET {setting} = '{value}'")
    await db.execute(f"PREPARE looked_at AS {query(name)}")
    arguments = ", ".join("NULL" for _ in (await db.prepare(query(name))).get_parameters())
    shown = json.loads(await db.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE looked_at({arguments})"))
    await db.execute("DEALLOCATE looked_at")
    return dict(shown[0]["Plan"])


@pytest.mark.parametrize("statistics", ["none", "all of them wait", "none of them waits"])
async def test_statements_over_arrays_of_ids_look_each_up_in_the_primary_key(
    db: asyncpg.Connection, statistics: str
) -> None:
    """A hash join, or a walk over the table or an index, cost a factor of three to eight."""
    if statistics != "none":
        await db.execute(
            "INSERT INTO jobs (tenant_id, type) SELECT 'a', 'b' FROM generate_series(1, 20000)"
        )
    if statistics == "none of them waits":
        await db.execute("UPDATE jobs SET status = 'COMPLETED', finished_at = now()")
        await db.execute("VACUUM FULL waiting_jobs")  # it is as small as can be
    if statistics != "none":
        await db.execute("ANALYZE jobs, waiting_jobs, delayed_jobs, claims")
    for name in ("claim_jobs", "complete_jobs", "end_runs", "fold_claims"):
        nodes = list(nodes_of(await generic_plan(db, name)))
        by_index = [node for node in nodes if "jobs" in node.get("Index Name", "")]
        assert by_index, nodes
        assert {node["Index Name"] for node in by_index} == {"jobs_pkey"}, nodes
        assert all(node["Index Cond"].startswith("(id = ") for node in by_index), nodes
        assert not [
            node
            for node in nodes
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "jobs"
        ], nodes


async def test_a_plan_made_for_a_few_rows_is_made_anew_when_they_are_many(
    database_url: str, db: asyncpg.Connection
) -> None:
    """For a few the planner reads them all; 500 ids against a million rows would take longer than a
    statement may."""
    await db.execute("ALTER TABLE jobs SET (autovacuum_enabled = off)")
    await db.execute(
        "INSERT INTO jobs (tenant_id, type) SELECT 'a', 'b' FROM generate_series(1, 20)"
    )
    await db.execute("VACUUM (ANALYZE) jobs")
    worker = await Database.connect(database_url, connections=1, plans="pinned")
    ids = [uuid4() for _ in range(10)]

    async def rows_read() -> int:
        reads = (
            "SELECT coalesce(sum(idx_tup_fetch), 0)::int FROM pg_stat_xact_user_tables "
            "WHERE relname = 'jobs'"
        )
        async with worker.transaction() as connection:
            before: int = await connection.fetchval(reads)
            await connection.fetch(query("complete_jobs"), ids, [1] * 10, [None] * 10, 1)
            after: int = await connection.fetchval(reads)
            return after - before

    assert await rows_read() == 20, (
        "the plan for a few rows is another one, or this test shows nothing"
    )
    await db.execute(
        "INSERT INTO jobs (tenant_id, type) SELECT 'a', 'b' FROM generate_series(1, 20000)"
    )

    async def looked_up() -> bool:
        return await rows_read() == 0

    await eventually(looked_up)
    await worker.close()


async def test_replays_read_by_the_index_of_changes(db: asyncpg.Connection) -> None:
    """They cost what they return, however long the history, whatever the planner thinks of the
    tables."""
    for _ in range(200):
        await db.execute(
            "INSERT INTO jobs (tenant_id, type) SELECT 't' || n % 10, 'b' "
            "FROM generate_series(1, 100) n"
        )
    last = await db.fetchval(
        "SELECT changed_xid FROM job_changes ORDER BY changed_xid DESC LIMIT 1"
    )
    await db.execute("SET plan_cache_mode = force_custom_plan")
    for statistics in (False, True):
        if statistics:
            await db.execute("ANALYZE jobs, job_changes")
        for name, arguments in (
            ("measure_replay", ("t1", last - 3, 1000)),
            ("read_replay", ("t1", last - 3, UUID(int=0), last, 1000)),
            ("read_changes", (["t1", "t2"], f"{last - 3}:{last + 1}:{last - 3}", 1000)),
        ):
            shown = await db.fetchval("EXPLAIN (FORMAT JSON) " + query(name), *arguments)
            nodes = list(nodes_of(json.loads(shown)[0]["Plan"]))
            (changes,) = [
                node for node in nodes if node.get("Index Name") == "job_changes_of_tenant"
            ]
            assert "changed_xid" in changes["Index Cond"], shown
            assert {node["Index Name"] for node in nodes if "Index Name" in node} <= {
                "job_changes_of_tenant",
                "jobs_pkey",
            }, shown
            assert not [
                node
                for node in nodes
                if node["Node Type"] == "Seq Scan" and node["Relation Name"] != "stream"
            ], shown
