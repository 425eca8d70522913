"""What happened per minute and hour: exact to the job, bounded in size, and read by the point."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually
from tables import claim, nodes_of, register

from monoq.api.history import FLOWS
from monoq.client.client import Client
from monoq.observe import buckets
from monoq.store.database import Database, query
from monoq.store.history import HistoryStore, Times

MINUTE = timedelta(minutes=1)
FOLD = 1_000_000
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def get(server: Server, **params: Any) -> dict[str, Any]:
    answer = await server.http.get("/stats/history", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def total(history: dict[str, Any]) -> dict[str, int]:
    return {flow: sum(point[flow] for point in history["points"]) for flow in FLOWS}


async def end(db: asyncpg.Connection, rows: list[Any], worker: int, *ending: Any) -> None:
    """Ends runs alike: status, delay, attempts back, error."""
    status, delay_ms, attempts_back, error = ending
    n = len(rows)
    columns = [
        [status] * n,
        [delay_ms] * n,
        [attempts_back] * n,
        [0] * n,
        [0] * n,
        [error] * n,
        [None] * n,
    ]
    ids, claims = [row["id"] for row in rows], [row["claim"] for row in rows]
    assert len(await db.fetch(query("end_runs"), ids, claims, *columns, worker)) == n


async def waiting_ids(db: asyncpg.Connection, count: int) -> list[Any]:
    rows = await db.fetch("SELECT id FROM waiting_jobs ORDER BY random() LIMIT $1", count)
    return [row["id"] for row in rows]


async def drive(db: asyncpg.Connection, chance: random.Random, worker: int) -> Counter[str]:
    """Random changes by the statements that workers and people use, and what happened by them."""
    happened: Counter[str] = Counter()
    for _ in range(60):
        match chance.choice(("submit", "run", "run", "run", "cancel", "revive", "delete", "touch")):
            case "submit":
                n = chance.randint(1, 20)
                await db.execute(
                    "INSERT INTO jobs (tenant_id, type) "
                    "SELECT 't' || n % 3, 'x' || n % 2 FROM generate_series(1, $1::int) AS n",
                    n,
                )
                happened["submitted"] += n
            case "run":
                rows = await claim(db, await waiting_ids(db, 9), worker, "x0", "x1")
                third = len(rows) // 3
                good, bad, rest = rows[:third], rows[third : 2 * third], rows[2 * third :]
                n = len(good)
                await db.fetch(
                    query("complete_jobs"),
                    [row["id"] for row in good],
                    [row["claim"] for row in good],
                    [None] * n,
                    worker,
                )
                happened["completed"] += n
                name, *ending = chance.choice(
                    [
                        ("failed", "FAILED", 0, 0, "no"),
                        ("retried", "PENDING", 0, 0, "no"),
                        ("cancelled", "CANCELLED", 0, 0, "stop"),
                    ]
                )
                await end(db, bad, worker, *ending)
                happened[name] += len(bad)
                # a snooze or a release is no retry
                await end(db, rest, worker, "PENDING", chance.choice([0, 1]), 1, None)
                await db.execute("SELECT pg_sleep(0.002)")
                await db.fetch(query("promote_delayed_jobs"), 1000, LONG_AGO)
            case "cancel":
                for job_id in await waiting_ids(db, 2):
                    await db.fetch(query("cancel_job"), job_id)
                    happened["cancelled"] += 1
            case "revive":
                for row in await db.fetch("SELECT id FROM jobs WHERE ended_badly LIMIT 2"):
                    await db.fetch(query("retry_job"), row["id"])
            case "delete":
                await db.execute(
                    "DELETE FROM jobs WHERE id = "
                    "(SELECT id FROM jobs WHERE status = 'COMPLETED' LIMIT 1)"
                )
            case "touch":
                await db.execute("UPDATE jobs SET priority = 3 WHERE status = 'COMPLETED'")
    return happened


@pytest.mark.parametrize("seed", range(3))
async def test_the_sums_are_exact_to_the_job_whoever_writes(
    db: asyncpg.Connection, server: Server, seed: int
) -> None:
    chance = random.Random(seed)
    worker = await register(db, "x0", "x1")
    happened = await drive(db, chance, worker)
    assert set(FLOWS) <= set(happened)
    counts = await db.fetch(
        "SELECT tenant_id, type, status::text, count(*) AS jobs FROM jobs GROUP BY 1, 2, 3"
    )

    async def folded() -> bool:
        return await db.fetchval("SELECT count(*) = 0 FROM job_count_changes") is True

    await eventually(folded)

    # While a minute is being closed an answer may lack it.
    async def exact() -> bool:
        return total(await get(server)) == {flow: happened[flow] for flow in FLOWS}

    await eventually(exact)
    whole = await get(server)
    for tenant_id, job_type in ((None, None), ("t1", None), (None, "x1"), ("t2", "x0")):
        asked = {"tenantId": tenant_id, "type": job_type}
        history = await get(server, **{name: value for name, value in asked.items() if value})
        last = history["points"][-1]
        for level, status in (("waiting", "PENDING"), ("running", "RUNNING")):
            assert last[level] == sum(
                row["jobs"]
                for row in counts
                if row["status"] == status
                and tenant_id in (None, row["tenant_id"])
                and job_type in (None, row["type"])
            )
    parts = [total(await get(server, tenantId=f"t{n}")) for n in range(3)]
    assert {flow: sum(part[flow] for part in parts) for flow in FLOWS} == total(whole)


async def test_what_a_worker_runs_is_recounted_and_timed(server: Server, db: Any) -> None:
    nap, failure = {"delayMs": 50}, {"do": "fail"}
    jobs: list[dict[str, Any]] = [
        {"tenantId": f"t{n % 3}", "type": "sleep", "payload": nap} for n in range(30)
    ]
    ids = await server.submit(jobs + [{"tenantId": "t0", "type": "act", "payload": failure}] * 4)
    for job_id in ids:
        await server.job_when(job_id, "COMPLETED", "FAILED")

    async def told() -> dict[str, Any] | None:
        history = await get(server)
        return history if total(history)["completed"] == 30 and timed(history) else None

    def timed(history: dict[str, Any]) -> list[Any]:
        return [point for point in history["points"] if point["runSeconds"]]

    history = await eventually(told)
    ended = await db.fetch(
        "SELECT date_bin('1 minute', finished_at, 'epoch') AS at, status::text, count(*) AS jobs "
        "FROM jobs GROUP BY 1, 2"
    )
    by_point = {point["at"]: point for point in history["points"]}
    for row in ended:
        at = row["at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        assert by_point[at][row["status"].lower()] == row["jobs"]
    async with Client(server.url) as client:
        mine = await client.history("t1", type="sleep")
    (point,) = timed(dict(mine))[:1]
    assert point["runSeconds"]["p50"] == pytest.approx(0.055, rel=0.35)
    assert point["waitSeconds"]["p99"] < 20
    assert mine["quantileError"] == pytest.approx(buckets.ERROR, abs=0.001)


async def open_since(db: asyncpg.Connection, minutes: int) -> datetime:
    """As if nothing had been closed for so long; returns the first minute that is open. Until the
    transaction ends nothing is folded or closed."""
    await db.execute("SELECT pg_advisory_xact_lock(hashtext('monoq.fold_counts'))")
    first: datetime = await db.fetchval(
        "UPDATE history_state SET open_from = date_bin('1 minute', now(), 'epoch') "
        "- $1 * interval '1 minute' RETURNING open_from",
        minutes,
    )
    return first


async def move(
    db: asyncpg.Connection, at: datetime, tenant: str, job_type: str, **moves: int
) -> None:
    """A change in the past: as the triggers would have written it then."""
    for status, jobs in moves.items():
        await db.execute(
            "INSERT INTO job_count_changes (tenant_id, type, status, jobs, at, submitted) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            tenant,
            job_type,
            status,
            jobs,
            at,
            jobs if status == "PENDING" and jobs > 0 else 0,
        )


@pytest.fixture
async def history(database_url: str) -> Any:
    database = await Database.connect(database_url, connections=2, plans="fresh")
    yield HistoryStore(database)
    await database.close()


async def closed_all(db: asyncpg.Connection, history: HistoryStore) -> None:
    await db.fetch(query("fold_counts"), FOLD)
    while await history.close_minute(60):
        pass


async def test_levels_are_those_of_the_end_of_each_minute_and_hour(
    db: asyncpg.Connection, history: HistoryStore
) -> None:
    first = await open_since(db, 200)
    await move(db, first, "a", "x", PENDING=10)
    await move(db, first + 5 * MINUTE, "a", "x", PENDING=-4, RUNNING=4)
    await move(db, first + 90 * MINUTE, "a", "x", RUNNING=-4, COMPLETED=4)
    await move(db, first + 91 * MINUTE, "a", "y", PENDING=7)
    await move(db, first + 199 * MINUTE, "a", "x", PENDING=-1, RUNNING=1)  # still open
    await closed_all(db, history)
    for step in (60, 3600):
        rows = await db.fetch(
            "SELECT at, waiting, running FROM job_history "
            "WHERE tenant_id = 'a' AND type = '' AND step = $1 ORDER BY at",
            step,
        )
        noted = [(row["waiting"], row["running"]) for row in rows]
        assert noted[0] in ([(10, 0), (6, 4)][step // 3600], (10, 0)), noted
        assert noted[-1] in ((13, 0), (None, None)), noted
    minutes = await db.fetch(
        "SELECT at, waiting, running FROM job_history "
        "WHERE tenant_id = 'a' AND type = '' AND step = 60 ORDER BY at"
    )
    assert [tuple(row) for row in minutes] == [
        (first, 10, 0),
        (first + 5 * MINUTE, 6, 4),
        (first + 90 * MINUTE, 6, 0),
        (first + 91 * MINUTE, 13, 0),
    ]


async def test_points_between_changes_keep_their_levels(
    server: Server, db: asyncpg.Connection, history: HistoryStore
) -> None:
    async with db.transaction():
        first = await open_since(db, 50)
        await move(db, first, "a", "x", PENDING=10)
        await move(db, first + 5 * MINUTE, "a", "x", PENDING=-4, COMPLETED=4)
        await move(db, first + 50 * MINUTE, "a", "x", PENDING=-1, COMPLETED=1)  # still open
        await db.fetch(query("fold_counts"), FOLD)

    async def is_closed() -> bool:
        return await db.fetchval("SELECT count(*) >= 8 FROM job_history WHERE step = 60") is True

    await eventually(is_closed)
    for since, step in ((first - 3 * MINUTE, 60), (first + 2 * MINUTE, 60), (first, 300)):
        points = (await get(server, tenantId="a", step=step, **{"from": since.isoformat()}))[
            "points"
        ]
        for point in points:
            at = datetime.fromisoformat(point["at"]) + timedelta(seconds=step) - MINUTE
            expected = 0 if at < first else 10 if at < first + 5 * MINUTE else 6
            if at >= first + 50 * MINUTE:
                expected = 5
            assert point["waiting"] == expected, (since, step, point)
            assert point["running"] == 0
            assert point["complete"]


async def test_a_late_commit_is_counted_in_the_first_minute_that_is_open(
    db: asyncpg.Connection, history: HistoryStore
) -> None:
    await open_since(db, 5)
    await move(db, datetime.now(UTC) - timedelta(hours=3), "a", "x", PENDING=3)
    await move(db, datetime.now(UTC) + timedelta(hours=3), "a", "x", PENDING=2)
    await db.fetch(query("fold_counts"), FOLD)
    rows = await db.fetch(
        "SELECT submitted, at <= now() AS past FROM open_minutes WHERE tenant_id = 'a' ORDER BY at"
    )
    assert [tuple(row) for row in rows] == [(3, True), (2, True)]


async def test_of_very_many_tenants_the_busiest_are_kept_and_the_rest_is_told_of(
    server: Server, db: asyncpg.Connection, history: HistoryStore
) -> None:
    async with db.transaction():
        first = await open_since(db, 10)
        await db.execute(
            """INSERT INTO job_count_changes (tenant_id, type, status, jobs, at, submitted)
               SELECT 't' || n, 'x' || n % 150, 'PENDING', n, $1, n
               FROM generate_series(1, 2500) AS n""",
            first,
        )
        await move(db, first + MINUTE, "t1", "x1", PENDING=5)
        await db.fetch(query("fold_counts"), FOLD)

    async def is_closed() -> Any:
        return await db.fetchval(
            "SELECT count(*) = 2 FROM job_history WHERE step = 60 AND tenant_id = '' AND type = ''"
        )

    await eventually(is_closed)
    assert await db.fetchval("SELECT count(*) FROM job_history WHERE at = $1", first) <= 401
    since = {"from": first.isoformat(), "step": 60}
    assert (await get(server, **since))["points"][0]["submitted"] == 2500 * 2501 // 2
    busy = (await get(server, tenantId="t2500", **since))["points"]
    assert busy[0]["submitted"] == busy[0]["waiting"] == 2500
    idle = (await get(server, tenantId="t1", **since))["points"]
    assert (idle[0]["complete"], idle[0]["submitted"], idle[0]["waiting"]) == (False, 0, None)
    assert (idle[1]["complete"], idle[1]["submitted"], idle[1]["waiting"]) == (True, 5, 6)


async def test_histograms_are_merged_into_minutes_and_hours(
    db: asyncpg.Connection, history: HistoryStore
) -> None:
    first = await open_since(db, 10)
    for n in range(4):
        await move(db, first + n * MINUTE, "a", "x", COMPLETED=3)
        await history.write_times(
            [
                Times("a", "x", [3, 1, 9, 2], [50, 3]),
                Times("a", "y", [], [7, 1]),
                Times("", "x", [3, 1, 9, 2], [50, 3]),
                Times("", "y", [], [7, 1]),
            ]
        )
        await db.execute(
            "UPDATE job_times SET at = $1 WHERE at > now() - interval '1 s'",
            first + n * MINUTE,
        )
    await closed_all(db, history)
    for step, times in ((60, 1), (3600, 4)):
        rows = await db.fetch(
            "SELECT waits, runs FROM job_history WHERE tenant_id = 'a' AND type = '' "
            "AND step = $1 ORDER BY at",
            step,
        )
        waits: dict[int, int] = {}
        runs: dict[int, int] = {}
        for row in rows:
            buckets.read_into(waits, row["waits"])
            buckets.read_into(runs, row["runs"])
        assert (waits, runs) == ({3: 4, 9: 8}, {7: 4, 50: 12})
        assert times == 4 or len(rows) == 4
    assert await db.fetchval("SELECT count(*) FROM job_times") == 0


async def test_old_minutes_and_hours_are_pruned(
    db: asyncpg.Connection, history: HistoryStore
) -> None:
    await db.execute("""
        INSERT INTO job_history (tenant_id, type, step, at, submitted, completed, failed, cancelled,
                                 retried, waiting_change, running_change, waits, runs)
        SELECT '', '', step, now() - age, 0, 0, 0, 0, 0, 0, 0, '{}', '{}'
        FROM (VALUES (60, interval '2 days'), (60, '1 hour'), (3600, '80 days'),
                     (3600, '100 days')) AS old (step, age)
    """)
    assert await history.prune_history(86_400, 90 * 86_400, 100) == 2
    assert await db.fetchval("SELECT count(*) FROM job_history") == 2


async def test_a_history_is_read_by_its_points_whatever_else_there_is(
    server: Server, db: asyncpg.Connection
) -> None:
    await db.execute("""
        INSERT INTO job_history (tenant_id, type, step, at, submitted, completed, failed, cancelled,
                                 retried, waiting_change, running_change, waiting, running, waits,
                                 runs)
        SELECT 't' || n, '', 60, date_bin('1 minute', now(), 'epoch') - age * interval '1 minute',
               1, 1, 0, 0, 0, 0, 0, 5, 1, ARRAY(SELECT generate_series(1, 20)), '{30,5,31,9}'
        FROM generate_series(1, 40) AS n, generate_series(2, 1440) AS age
    """)
    await db.execute("ANALYZE job_history")
    now = datetime.now(UTC)
    arguments = ("t7", "", 60, now - timedelta(hours=5), now)
    shown = json.loads(
        await db.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + query("read_history"), *arguments)
    )
    nodes = list(nodes_of(shown[0]["Plan"]))
    scans = [node for node in nodes if node.get("Relation Name") == "job_history"]
    assert scans
    assert all(node["Node Type"] != "Seq Scan" for node in scans), shown
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) <= 302, shown
    params = {"tenantId": "t7", "from": (now - timedelta(hours=5)).isoformat(), "step": 60}
    points = (await get(server, **params))["points"]
    assert len(points) in (300, 301)
    assert sum(point["submitted"] for point in points) >= 298


UNANSWERED: list[tuple[dict[str, str], str]] = [
    ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
    ({"from": "2020-01-01T00:00:00Z", "step": "3600"}, "from"),
    ({"from": "-2d", "step": "60"}, "from"),
    ({"from": "-80d", "step": "3600"}, "step"),
    ({"step": "61"}, "step"),
    ({"step": "420"}, "step"),
    ({"step": "5400"}, "step"),
    ({"from": "yesterday"}, "from"),
    ({"tenantId": "a b"}, "tenantId"),
    ({"since": "1"}, "since"),
]


async def test_a_query_that_cannot_be_answered_is_told_why(server: Server) -> None:
    for params, field in UNANSWERED:
        if params.get("from", "").startswith("-"):
            days = int(params["from"][1:-1])
            params = params | {"from": (datetime.now(UTC) - timedelta(days=days)).isoformat()}
        answer = await server.http.get("/stats/history", params=params)
        assert answer.status_code == 422, (params, answer.text)
        assert field in [error["field"] for error in answer.json()["errors"]]


async def test_without_a_step_there_are_some_300_points(server: Server) -> None:
    now = datetime.now(UTC)
    for hours, step in ((1, 60), (4, 60), (24, 300), (72, 3600), (24 * 30, 4 * 3600)):
        since = (now - timedelta(hours=hours)).isoformat()
        history = await get(server, **{"from": since})
        assert history["step"] == step
        assert len(history["points"]) <= 302
