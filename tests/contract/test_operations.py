"""Many jobs cancelled or retried by a filter: exactly those, once, whoever holds them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from conftest import Server, eventually, serving
from tables import DIFFER, claim, nodes_of, register

from monoq.job import Status
from monoq.store.database import Database, query
from monoq.store.operations import STATUSES, Batch, Filter, Kind, OperationStore

STATES = "SELECT status::text, count(*) FROM jobs WHERE tenant_id = $1 GROUP BY 1"
FAILED = """
    INSERT INTO jobs (tenant_id, type, status, error, finished_at, attempts, started_at)
    SELECT $1, $2, 'FAILED', $3, now(), 1, now() FROM generate_series(1, $4::int)"""
WAITING = "INSERT INTO jobs (tenant_id, type) SELECT $1, $2 FROM generate_series(1, $3::int)"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[OperationStore]:
    database = await Database.connect(database_url, connections=2, plans="fresh")
    yield OperationStore(database)
    await database.close()


async def begin(server: Server, kind: str, **jobs: Any) -> dict[str, Any]:
    answer = await server.http.post(f"/jobs/{kind}", json={"filter": jobs})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/operations/{answer.json()['id']}"
    return dict(answer.json())


async def ended(server: Server, operation: dict[str, Any]) -> dict[str, Any]:
    async def has_ended() -> dict[str, Any] | None:
        now = (await server.http.get(f"/operations/{operation['id']}")).json()
        return now if now["finishedAt"] else None

    return dict(await eventually(has_ended))


async def states(db: asyncpg.Connection, tenant: str) -> dict[str, int]:
    return dict(await db.fetch(STATES, tenant))


async def carry_out(store: OperationStore, limit: int = 1000) -> list[Batch]:
    batches = []
    while await store.has_open():
        batch = await store.go_on(limit)
        assert batch is not None
        batches.append(batch)
    return batches


async def test_waiting_delayed_and_running_jobs_of_a_filter_are_cancelled_and_no_others(
    server: Server, db: asyncpg.Connection
) -> None:
    sleeping = {"tenantId": "acme", "type": "sleep", "payload": {"delayMs": 60_000}}
    ids = await server.submit([sleeping] * 3 + [{**sleeping, "delayMs": 60_000}] * 4)
    await server.submit([{**sleeping, "tenantId": "other"}, {**sleeping, "type": "echo"}])
    await eventually(lambda: db.fetchval("SELECT count(*) = 4 FROM jobs WHERE status = 'RUNNING'"))
    dry = await server.http.post(
        "/jobs/cancel", json={"filter": {"tenantId": "acme", "type": "sleep"}, "dryRun": True}
    )
    assert dry.json() == {
        "kind": "cancel",
        "filter": {"tenantId": "acme", "type": "sleep"},
        "matched": 7,
        "matchedIsExact": True,
    }
    operation = await ended(server, await begin(server, "cancel", tenantId="acme", type="sleep"))
    assert (operation["state"], operation["done"], operation["matched"]) == ("COMPLETED", 7, 7)
    for job_id in ids:
        assert (await server.job(job_id))["status"] == "CANCELLED"
    assert "CANCELLED" not in await states(db, "other")
    stopped = "SELECT count(*) = 1 FROM claims, unnest(ids)"
    await eventually(lambda: db.fetchval(stopped))  # by the auditor: the other tenant's is left
    assert await db.fetch(DIFFER) == []


async def test_failed_jobs_are_retried_by_their_error_and_one_that_fails_again_not_in_a_circle(
    server: Server, db: asyncpg.Connection
) -> None:
    await db.execute(FAILED, "acme", "act", "no route to host", 30)
    await db.execute(FAILED, "acme", "act", "another", 5)
    await db.execute(FAILED, "beta", "act", "no route to host", 7)
    await db.execute("""UPDATE jobs SET max_attempts = 1,
        payload = '{"do": "raise", "value": "no route to host"}'""")
    operation = await ended(server, await begin(server, "retry", errorPrefix="no route"))
    assert (operation["state"], operation["done"], operation["skipped"]) == ("COMPLETED", 37, 0)
    await eventually(lambda: db.fetchval("SELECT count(*) = 42 FROM jobs WHERE status = 'FAILED'"))
    counted = "SELECT claim, count(*) FROM jobs GROUP BY 1 ORDER BY 1"
    assert [tuple(row) for row in await db.fetch(counted)] == [(0, 5), (1, 37)]
    assert await db.fetch(DIFFER) == []


NONSENSE: list[tuple[str, Any, str]] = [
    ("cancel", {"filter": {}}, "filter"),
    ("cancel", {"filter": {"tenantId": None}}, "filter"),
    ("cancel", {}, "filter"),
    ("cancel", [], ""),
    ("cancel", {"filter": {"tenantId": "-bad"}}, "filter.tenantId"),
    ("cancel", {"filter": {"tenant": "acme"}}, "filter.tenant"),
    ("cancel", {"filter": {"status": "FAILED"}}, "filter.status"),
    ("retry", {"filter": {"status": "RUNNING"}}, "filter.status"),
    ("retry", {"filter": {"status": "COMPLETED"}}, "filter.status"),
    ("retry", {"filter": {"errorPrefix": ""}}, "filter.errorPrefix"),
    ("retry", {"filter": {"createdAfter": "2001-01-01T00:00:00"}}, "filter.createdAfter"),
    (
        "retry",
        {"filter": {"createdAfter": "0001-01-01T00:00:00+14:00"}},
        "filter.createdAfter",
    ),
    (
        "retry",
        {
            "filter": {
                "createdAfter": "2001-01-01T00:00:00Z",
                "createdBefore": "2001-01-01T01:00:00+01:00",
            }
        },
        "filter.createdBefore",
    ),
    ("cancel", {"filter": {"tenantId": "acme"}, "dryRun": 1}, "dryRun"),
]


async def test_a_filter_that_says_nothing_or_nonsense_is_refused_and_its_field_named(
    server: Server, db: asyncpg.Connection
) -> None:
    for kind, body, field in NONSENSE:
        answer = await server.http.post(f"/jobs/{kind}", json=body)
        assert answer.status_code == 422, (kind, body, answer.text)
        assert [error["field"] for error in answer.json()["errors"]] == [field], (body, answer.text)
        assert await db.fetchval("SELECT count(*) FROM operations") == 0


JOBS = """
    INSERT INTO jobs (tenant_id, type, run_at, error, created_at, status, finished_at, key)
    SELECT 't' || n % 3, 'y' || n % 2, now() + (n % 4 / 3) * interval '1 h',
           CASE n % 5 WHEN 0 THEN 'bad luck' WHEN 1 THEN 'bad' END, now() - n * interval '1 s',
           CASE WHEN n % 7 < 4 THEN 'PENDING' WHEN n % 7 = 4 THEN 'FAILED'
                WHEN n % 7 = 5 THEN 'CANCELLED' ELSE 'COMPLETED' END::job_status,
           CASE WHEN n % 7 >= 4 THEN now() END, CASE WHEN n % 10 = 0 THEN 'k' || n % 700 END
    FROM generate_series(1, 20000) AS n"""
NOW = datetime.now(UTC)
FILTERS = [
    Filter(tenant_id="t1"),
    Filter(type="y1"),
    Filter(error_prefix="bad l"),
    Filter(created_after=NOW - timedelta(seconds=9000)),
    Filter(created_before=NOW - timedelta(seconds=9000)),
    Filter("t1", "y1", None, "bad", NOW - timedelta(seconds=15000), NOW - timedelta(seconds=5000)),
    Filter(tenant_id="nobody"),
    *(Filter(status=status) for status in Status if status is not Status.COMPLETED),
]


# each filter with one kind, in turn; with the other one, it is the soak's
ALLOWED = [
    pytest.param(
        kind,
        jobs,
        id=f"{kind} {jobs.status or ','.join(jobs.json())}",
        marks=[] if n % 2 == m or jobs.status is Status.PENDING else pytest.mark.soak,
    )
    for m, kind in enumerate(Kind)
    for n, jobs in enumerate(FILTERS)
    if jobs.status is None or jobs.status in STATUSES[kind]
]


@pytest.mark.parametrize(("kind", "jobs"), ALLOWED)
async def test_an_operation_changes_what_a_plain_query_finds_and_reads_little_for_each_batch(
    db: asyncpg.Connection, store: OperationStore, kind: Kind, jobs: Filter
) -> None:
    """20,000 jobs: a batch that read a whole table, or all of a tenant's jobs, would show."""
    await db.execute(JOBS)
    worker = await register(db, "y0", "y1")
    some = await db.fetch("SELECT id FROM waiting_jobs ORDER BY id LIMIT 900 OFFSET 3000")
    await claim(db, [row["id"] for row in some], worker, "y0", "y1")
    await db.execute("ANALYZE jobs, waiting_jobs, delayed_jobs")
    wanted = await db.fetch(
        """SELECT id FROM jobs
           WHERE status = ANY ($1::text[]::job_status[]) AND ($2::text IS NULL OR tenant_id = $2)
             AND ($3::text IS NULL OR type = $3) AND ($4::text IS NULL OR error LIKE $4 || '%')
             AND ($5::timestamptz IS NULL OR created_at >= $5)
             AND ($6::timestamptz IS NULL OR created_at < $6)""",
        *jobs.arguments(kind, NOW)[:6],
    )
    assert await store.count(kind, jobs) == (len(wanted), True)
    operation = await store.create(kind, jobs)
    # an id tells the millisecond: what comes within the same one may be older than the operation
    last_of_it = UUID(int=operation["id"].int | (1 << 80) - 1)
    await eventually(lambda: db.fetchval("SELECT monoq_uuid7() > $1::uuid", last_of_it))
    last = await db.fetchval("SELECT id FROM jobs ORDER BY id DESC LIMIT 1")
    newer = JOBS.replace("20000", "2000")
    await db.execute(newer)  # newer than the operation by their end, and by when they were created
    await db.execute("UPDATE jobs SET created_at = now() WHERE id > $1", last)
    plans = []

    async def explain(after: UUID, tenant: str) -> None:
        arguments = (*jobs.arguments(kind, operation["created_at"]), 1000, after, 1000)
        text, more = (
            (query("find_jobs_to_cancel"), ())
            if kind is Kind.CANCEL
            else (query("find_jobs_to_retry"), (tenant,))
        )
        async with db.transaction():
            await db.execute(query("steer_plans"))
            shown = await db.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + text, *arguments, *more)
        plans.append(shown)

    await explain(UUID(int=0), "")
    await explain(operation["id"], "t1")
    batches = await carry_out(store)
    assert max(len(batch.changed) for batch in batches) <= 1000
    changed = [row["id"] for batch in batches for row in batch.changed]
    assert len(changed) == len(set(changed))
    assert set(changed) == {row["id"] for row in wanted}
    now = await store.get(operation["id"])
    assert now is not None
    assert (now["state"], now["done"], now["skipped"]) == ("COMPLETED", len(wanted), 0)
    assert await db.fetch(DIFFER) == []
    for shown in plans:
        for node in nodes_of(json.loads(shown)[0]["Plan"]):
            assert node["Node Type"] != "Seq Scan" or node["Relation Name"] == "claims", shown
            read = node["Actual Rows"] * node["Actual Loops"]
            assert read <= 4000, shown
            assert node.get("Rows Removed by Filter", 0) <= 4000, shown


async def test_a_job_that_somebody_holds_is_not_waited_for_and_not_left_out(
    db: asyncpg.Connection, store: OperationStore, database_url: str
) -> None:
    await db.execute(WAITING, "acme", "b", 50)
    ids = [row["id"] for row in await db.fetch("SELECT id FROM jobs ORDER BY id")]
    holder = await asyncpg.connect(database_url)
    worker = await register(db, "b")
    transaction = holder.transaction()
    await transaction.start()
    assert len(await claim(holder, ids[10:20], worker, "b")) == 10
    operation = await store.create(Kind.CANCEL, Filter(tenant_id="acme"))
    first = await store.go_on(1000)
    assert first is not None
    assert (len(first.changed), first.behind) == (40, 10)
    again = await store.go_on(4)
    assert again is not None
    assert (len(again.changed), again.behind) == (0, 10)
    assert await store.has_open()
    await holder.execute(
        "UPDATE jobs SET status = 'COMPLETED', worker_id = NULL, deadline_at = NULL,"
        " finished_at = now() WHERE id = ANY ($1)",
        ids[10:13],
    )
    await transaction.commit()
    await holder.close()
    await carry_out(store, 4)
    now = await store.get(operation["id"])
    assert now is not None
    assert (now["state"], now["done"], now["skipped"]) == ("COMPLETED", 47, 3)
    assert await states(db, "acme") == {"CANCELLED": 47, "COMPLETED": 3}
    assert await db.fetch(DIFFER) == []


@pytest.mark.parametrize("jobs", [2000, pytest.param(6000, marks=pytest.mark.soak)])
async def test_workers_that_claim_and_end_jobs_meanwhile_neither_hide_nor_double_any(
    db: asyncpg.Connection, store: OperationStore, database_url: str, jobs: int
) -> None:
    """What moves between waiting, running and delayed jobs is met wherever it is."""
    await db.execute(WAITING, "acme", "b", jobs - 1000)
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, key)"
        " SELECT 'acme', 'b', 'k' || n % 40 FROM generate_series(1, 1000) AS n"
    )
    workers = [await asyncpg.connect(database_url) for _ in range(3)]
    done = asyncio.Event()

    async def work(connection: asyncpg.Connection, n: int) -> None:
        worker = await register(connection, "b")
        while not done.is_set():
            ids = await connection.fetch(
                "SELECT id FROM waiting_jobs ORDER BY md5(id::text || $1) LIMIT 200", str(n)
            )
            rows = await claim(connection, [row["id"] for row in ids], worker, "b")
            await asyncio.sleep(0)
            ends = [
                (row["id"], row["claim"], "PENDING", i % 2, 0, 0, 0, None, None)
                for i, row in enumerate(rows)
            ]
            if ends:
                await connection.fetch(
                    query("end_runs"), *(list(column) for column in zip(*ends, strict=True)), worker
                )
            await connection.fetch(
                query("promote_delayed_jobs"), 5000, datetime(1, 1, 1, tzinfo=UTC)
            )

    working = [asyncio.create_task(work(one, n)) for n, one in enumerate(workers)]
    operation = await store.create(Kind.CANCEL, Filter(type="b"))
    batches = await carry_out(store, 100)
    done.set()
    await asyncio.gather(*working)
    for connection in workers:
        await connection.close()
    changed = [row["id"] for batch in batches for row in batch.changed]
    assert len(changed) == len(set(changed)) == jobs
    assert await states(db, "acme") == {"CANCELLED": jobs}
    now = await store.get(operation["id"])
    assert now is not None
    assert (now["done"], now["skipped"]) == (jobs, 0)
    assert await db.fetch(DIFFER) == []


async def test_several_that_go_on_at_once_share_operations_and_double_nothing(
    db: asyncpg.Connection, store: OperationStore
) -> None:
    await db.execute(WAITING, "acme", "b", 900)
    await db.execute(FAILED, "beta", "b", "bad", 900)
    operations = [
        await store.create(Kind.CANCEL, Filter(tenant_id="acme")),
        await store.create(Kind.RETRY, Filter(tenant_id="beta")),
    ]

    async def go_on() -> int:
        changed = 0
        while await store.has_open():
            if batch := await store.go_on(50):
                changed += len(batch.changed)
        return changed

    assert sum(await asyncio.gather(*(go_on() for _ in range(4)))) == 1800
    for operation in operations:
        now = await store.get(operation["id"])
        assert now is not None
        assert (now["state"], now["done"]) == ("COMPLETED", 900)
    assert await db.fetchval("SELECT max(version) FROM jobs") == 2


async def test_an_operation_is_aborted_listed_and_unknown_ones_are_not_found(
    database_url: str, redis_url: str, db: asyncpg.Connection, store: OperationStore
) -> None:
    await db.execute(WAITING, "acme", "b", 30)
    ids = []
    for _ in range(3):
        operation = await store.create(Kind.CANCEL, Filter(tenant_id="acme"))
        ids.append(str(operation["id"]))
    await store.go_on(10)
    await store.abort(UUID(ids[0]))
    assert (await states(db, "acme"))["CANCELLED"] == 10
    await store.abort(UUID(ids[1]))
    await store.abort(UUID(ids[2]))
    async with serving(database_url, redis_url, role="api") as server:
        page = (await server.http.get("/operations", params={"limit": 2})).json()
        rest = (await server.http.get("/operations", params={"cursor": page["nextCursor"]})).json()
        listed = page["operations"] + rest["operations"]
        assert [one["id"] for one in listed] == ids[::-1]
        assert {one["state"] for one in listed} == {"ABORTED"}
        assert listed[-1]["done"] == 10
        for method, path in (
            ("POST", f"/operations/{ids[0]}/abort"),
            ("DELETE", f"/operations/{ids[0]}"),
        ):
            assert (await server.http.request(method, path)).status_code == 409
        for unknown in ("x", "00000000-0000-0000-0000-000000000000"):
            assert (await server.http.get(f"/operations/{unknown}")).status_code == 404
            assert (await server.http.delete(f"/operations/{unknown}")).status_code == 404
        assert (await server.http.get("/operations", params={"limit": 0})).status_code == 422
    assert (await states(db, "acme")) == {"CANCELLED": 10, "PENDING": 20}


async def test_an_operation_that_cannot_go_on_has_failed_and_says_why(
    db: asyncpg.Connection, store: OperationStore
) -> None:
    await db.execute(WAITING, "acme", "b", 3)
    await db.execute("ALTER TABLE jobs ADD CHECK (status <> 'CANCELLED')")
    operation = await store.create(Kind.CANCEL, Filter(tenant_id="acme"))
    with pytest.raises(asyncpg.CheckViolationError):
        await store.go_on(1000)
    now = await store.get(operation["id"])
    assert now is not None
    assert now["state"] == "FAILED"
    assert "check" in now["error"]
    assert not await store.has_open()
    await store.prune(3600)
    assert await store.get(operation["id"])
    await db.execute("UPDATE operations SET finished_at = now() - interval '2 h'")
    await store.prune(3600)
    assert await store.get(operation["id"]) is None
