"""Policies of tenants and types: what they say, that they hold exactly, and that nobody else
pays."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving
from tables import claim, register

from monoq.store.database import query

JOBS = "INSERT INTO jobs (tenant_id, type, payload) SELECT"
AT_ONCE = """
SELECT max(running) FROM (
    SELECT sum(n) OVER (ORDER BY at, n) AS running
    FROM (SELECT started_at AS at, 1 AS n FROM jobs WHERE tenant_id = $1 AND started_at IS NOT NULL
          UNION ALL
          SELECT finished_at, -1 FROM jobs WHERE tenant_id = $1 AND finished_at IS NOT NULL
    ) AS moves
) AS counted"""


async def put(server: Server, path: str, **policy: Any) -> dict[str, Any]:
    answer = await server.http.put(path, json=policy)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def until_in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def ended(db: asyncpg.Connection, tenant: str) -> bool:
    sql = "SELECT count(*) > 0 AND bool_and(finished_at IS NOT NULL) FROM jobs WHERE tenant_id = $1"
    return bool(await db.fetchval(sql, tenant))


async def test_a_policy_is_set_shown_kept_in_the_history_and_removed(server: Server) -> None:
    assert (await server.http.get("/tenants/acme")).json() == {
        "id": "acme",
        "policy": {},
        "effective": {
            "weight": 1.0,
            "maxRunning": None,
            "ratePerSecond": None,
            "burst": None,
            "maxWaiting": None,
            "paused": False,
        },
    }
    await put(server, "/defaults", maxRunning=20, weight=0.5)
    shown = await put(server, "/tenants/acme", maxRunning=5, paused=True)
    assert shown["policy"] == {"maxRunning": 5, "paused": True}
    assert shown["effective"]["maxRunning"] == 5
    assert shown["effective"]["weight"] == 0.5, "the default's"
    await put(server, "/tenants/acme", maxRunning=6)
    await put(server, "/tenants/acme", maxRunning=6)  # no change
    assert (await server.http.delete("/tenants/acme")).json()["effective"]["maxRunning"] == 20
    history = (await server.http.get("/tenants/acme/history")).json()
    assert [(one["before"], one["after"]) for one in history["changes"]] == [
        ({"maxRunning": 6}, {}),
        ({"maxRunning": 5, "paused": True}, {"maxRunning": 6}),
        ({}, {"maxRunning": 5, "paused": True}),
    ]
    page = (await server.http.get("/tenants/acme/history", params={"limit": 2})).json()
    older = {"limit": 2, "cursor": page["nextCursor"]}
    rest = (await server.http.get("/tenants/acme/history", params=older)).json()
    assert page["changes"] + rest["changes"] == history["changes"]
    assert rest["nextCursor"] is None


NONSENSE: list[tuple[str, Any, str]] = [
    ("/tenants/acme", {"maxRunning": -1}, "maxRunning"),
    ("/tenants/acme", {"maxRunning": "5"}, "maxRunning"),
    ("/tenants/acme", {"maxRunning": 1.5}, "maxRunning"),
    ("/tenants/acme", {"weight": 0}, "weight"),
    ("/tenants/acme", {"ratePerSecond": 0}, "ratePerSecond"),
    ("/tenants/acme", {"paused": 1}, "paused"),
    ("/tenants/acme", {"maxRuning": 5}, "maxRuning"),
    ("/tenants/acme", {"maxRunning": {"value": 5}}, "maxRunning.until"),
    (
        "/tenants/acme",
        {"maxRunning": {"value": 5, "until": "2001-01-01T00:00:00Z"}},
        "maxRunning.until",
    ),
    ("/tenants/acme", {"maxRunning": {"value": 5, "until": "tomorrow"}}, "maxRunning.until"),
    (
        "/tenants/acme",
        {"maxRunning": {"value": 5, "until": "9999-12-31T23:59:59-14:00"}},
        "maxRunning.until",
    ),
    (
        "/tenants/acme",
        {"maxRunning": {"value": "5", "until": "2099-01-01T00:00:00Z"}},
        "maxRunning.value",
    ),
    (
        "/tenants/acme",
        {"paused": {"value": True, "until": "2099-01-01T00:00:00"}},
        "paused.until",
    ),
    ("/tenants/acme", [], ""),
    ("/types/echo", {"weight": 2.0}, "weight"),
    ("/types/echo", {"maxWaiting": 2}, "maxWaiting"),
    ("/tenants/-bad", {"maxRunning": 5}, "tenantId"),
]


async def test_nonsense_is_refused_and_its_field_named(server: Server) -> None:
    for path, policy, field in NONSENSE:
        answer = await server.http.put(path, json=policy)
        assert answer.status_code == 422, (path, policy, answer.text)
        assert [error["field"] for error in answer.json()["errors"]] == [field], (
            path,
            policy,
            answer.text,
        )


async def test_a_cap_holds_across_workers_and_while_it_changes(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(database_url, redis_url))
        for _ in range(3):
            worker = serving(database_url, redis_url, role="worker")
            await stack.enter_async_context(worker)
        await put(server, "/tenants/capped", maxRunning=4)
        await db.execute(
            f"{JOBS} 'capped', 'sleep', '{{\"delayMs\": 20}}' FROM generate_series(1, 200)"
        )
        await db.execute(
            f"{JOBS} 'free', 'sleep', '{{\"delayMs\": 20}}' FROM generate_series(1, 200)"
        )
        await eventually(lambda: ended(db, "free"))
        assert not await ended(db, "capped")
        await eventually(lambda: ended(db, "capped"))
        assert await db.fetchval(AT_ONCE, "capped") == 4
        assert await db.fetchval(AT_ONCE, "free") > 8
        assert await db.fetchval("SELECT max(attempts) FROM jobs") == 1


async def test_a_default_cap_is_each_tenants_and_a_type_has_one_of_its_own(
    server: Server, db: asyncpg.Connection
) -> None:
    await put(server, "/defaults", maxRunning=2)
    await put(server, "/tenants/large", maxRunning=6)
    for tenant in "a", "b", "large":
        await db.execute(
            f"{JOBS} $1, 'sleep', '{{\"delayMs\": 30}}' FROM generate_series(1, 30)", tenant
        )
    for tenant in "a", "b", "large":
        await eventually(partial(ended, db, tenant))
    assert [await db.fetchval(AT_ONCE, tenant) for tenant in ("a", "b", "large")] == [2, 2, 6]
    await server.http.delete("/defaults")
    await put(server, "/types/sleep", maxRunning=3)
    await db.execute("DELETE FROM jobs")
    for tenant in "a", "b":
        await db.execute(
            f"{JOBS} $1, 'sleep', '{{\"delayMs\": 30}}' FROM generate_series(1, 20)", tenant
        )
    for tenant in "a", "b":
        await eventually(partial(ended, db, tenant))
    assert await db.fetchval(AT_ONCE.replace("tenant_id = $1", "type = $1"), "sleep") == 3


async def test_a_paused_tenant_starts_nothing_and_goes_on_after_it(
    server: Server, db: asyncpg.Connection
) -> None:
    await db.execute(
        f"{JOBS} 'paused', 'sleep', '{{\"delayMs\": 20}}' FROM generate_series(1, 3000)"
    )
    await eventually(
        lambda: db.fetchval("SELECT count(*) > 0 FROM jobs WHERE status = 'COMPLETED'")
    )
    await put(server, "/tenants/paused", paused=True)
    running = "SELECT count(*) FROM jobs WHERE status = 'RUNNING'"
    await eventually(lambda: db.fetchval(running.replace("count(*)", "count(*) = 0")), timeout=3)
    waiting = await db.fetchval("SELECT count(*) FROM jobs WHERE status = 'PENDING'")
    assert waiting > 0
    await db.execute(f"{JOBS} 'free', 'nothing', '{{}}' FROM generate_series(1, 50)")
    await eventually(lambda: ended(db, "free"))
    assert await db.fetchval("SELECT count(*) FROM jobs WHERE status = 'PENDING'") == waiting
    await put(server, "/tenants/paused")
    await eventually(lambda: ended(db, "paused"))


async def test_an_override_ends_by_itself(server: Server, db: asyncpg.Connection) -> None:
    until = until_in(1.5)
    shown = await put(server, "/tenants/t", paused={"value": True, "until": until}, maxRunning=3)
    assert shown["effective"] == {**shown["effective"], "paused": True, "maxRunning": 3}
    await db.execute(f"{JOBS} 't', 'nothing', '{{}}' FROM generate_series(1, 10)")
    await eventually(lambda: ended(db, "t"))
    assert await db.fetchval("SELECT min(started_at) >= $1::text::timestamptz FROM jobs", until)
    assert (await server.http.get("/tenants/t")).json()["effective"]["paused"] is False
    await put(server, "/tenants/t", paused={"value": True, "until": until_in(0.2)})
    limited = "SELECT count(*) FROM policies"
    assert await db.fetchval(limited) == 1
    await eventually(
        lambda: db.fetchval(query("has_limits").replace("SELECT EXISTS", "SELECT NOT EXISTS"))
    )


@pytest.mark.alone
async def test_a_rate_is_kept_and_used(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(database_url, redis_url))
        for _ in range(2):
            await stack.enter_async_context(serving(database_url, redis_url, role="worker"))
        await put(server, "/tenants/slow", ratePerSecond=40.0, burst=8)
        await db.execute(f"{JOBS} 'slow', 'nothing', '{{}}' FROM generate_series(1, 208)")
        await eventually(lambda: ended(db, "slow"))
        starts = [
            row["at"]
            for row in await db.fetch(
                "SELECT date_part('epoch', started_at) AS at FROM jobs ORDER BY started_at"
            )
        ]
    took = starts[-1] - starts[0]
    assert 5.0 <= took <= 6.0, "200 jobs after the first eight, at 40 a second"
    for first in range(len(starts)):
        for last in range(first, len(starts)):
            seconds = starts[last] - starts[first]
            assert last - first + 1 <= 40 * seconds + 8 + 0.5, (first, last, seconds)
    assert await db.fetchval("SELECT max(attempts) FROM jobs") == 1, "waiting costs no attempt"


async def test_a_tenant_has_no_more_waiting_than_its_policy_lets_it(
    server: Server, db: asyncpg.Connection
) -> None:
    await put(server, "/tenants/full", maxWaiting=10, paused=True)
    job = {"tenantId": "full", "type": "nothing"}
    answers = await asyncio.gather(*[server.http.post("/jobs", json=job) for _ in range(64)])
    statuses = [answer.status_code for answer in answers]
    assert sorted(set(statuses)) == [201, 429]
    assert statuses.count(201) == 10
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["errors"][0]["field"] == "tenantId"
    with pytest.raises(asyncpg.PostgresError) as error:
        await db.execute("SELECT monoq_submit('full', 'nothing')")
    assert error.value.sqlstate == "MQ429"
    assert await db.fetchval("SELECT count(*) FROM jobs") == 10
    batch = {"jobs": [{"tenantId": "other", "type": "nothing"}, job]}
    assert (await server.http.post("/jobs/batch", json=batch)).status_code == 429
    assert await db.fetchval("SELECT count(*) FROM jobs WHERE tenant_id = 'other'") == 0
    await put(server, "/tenants/full", maxWaiting=12, paused=True)
    assert (await server.http.post("/jobs/batch", json={"jobs": [job] * 3})).status_code == 429
    assert (await server.http.post("/jobs/batch", json={"jobs": [job] * 2})).status_code == 201


async def test_racing_inserts_in_sql_keep_the_limit_of_what_waits(
    server: Server, db: asyncpg.Connection, database_url: str
) -> None:
    await put(server, "/tenants/full", maxWaiting=7, paused=True)
    connections = [await asyncpg.connect(database_url) for _ in range(8)]

    async def insert(connection: asyncpg.Connection) -> int:
        stored = 0
        for _ in range(5):
            with suppress(asyncpg.PostgresError):
                await connection.execute("SELECT monoq_submit('full', 'nothing')")
                stored += 1
        return stored

    assert sum(await asyncio.gather(*map(insert, connections))) == 7
    for connection in connections:
        await connection.close()


async def test_a_claim_that_has_not_seen_the_first_policy_yet_is_waited_for(
    server: Server, db: asyncpg.Connection, database_url: str
) -> None:
    """Else it would be missed by the count of the next claim: two would run where one may."""
    worker = await register(db, "b")
    await db.execute(
        "INSERT INTO jobs (tenant_id, type) SELECT 't', 'b' FROM generate_series(1, 4)"
    )
    ids = [row["id"] for row in await db.fetch("SELECT id FROM jobs ORDER BY id")]
    other = await asyncpg.connect(database_url)
    transaction = other.transaction()
    await transaction.start()
    assert len(await claim(other, ids[:1], worker, "b")) == 1
    setting = asyncio.create_task(put(server, "/tenants/t", maxRunning=1))
    await eventually(
        lambda: db.fetchval(
            "SELECT count(*) > 0 FROM pg_locks"
            " WHERE NOT granted AND relation = 'claim_gate'::regclass"
        )
    )
    assert not setting.done()
    await transaction.commit()
    await setting
    await other.close()
    sql = "SELECT * FROM claim_gated_jobs($1, $2, '{b}', '{60000}', false, 4096)"
    assert await db.fetch(sql, ids[1:], worker) == []
    assert await claim(db, ids[1:], worker, "b") == [], "without the gate nothing is taken any more"


async def test_weights_share_what_runs(server: Server, db: asyncpg.Connection) -> None:
    await put(server, "/tenants/heavy", weight=3.0)
    await put(server, "/types/sleep", maxRunning=8)
    for tenant in "heavy", "light":
        await db.execute(
            f"{JOBS} $1, 'sleep', '{{\"delayMs\": 20}}' FROM generate_series(1, 600)", tenant
        )
    done = "SELECT count(*) FROM jobs WHERE tenant_id = $1 AND status = 'COMPLETED'"
    await eventually(lambda: db.fetchval(done.replace("count(*)", "count(*) > 250"), "heavy"))
    heavy, light = [await db.fetchval(done, tenant) for tenant in ("heavy", "light")]
    assert 2.0 <= heavy / light <= 4.0, (heavy, light)


async def test_a_tenant_that_a_limit_holds_stands_in_front_of_nobody(
    server: Server, db: asyncpg.Connection
) -> None:
    await put(server, "/tenants/held", maxRunning=1)
    await db.execute(
        f"{JOBS} 'held', 'sleep', '{{\"delayMs\": 60000}}' FROM generate_series(1, 5000)"
    )
    await eventually(lambda: db.fetchval("SELECT count(*) = 1 FROM jobs WHERE status = 'RUNNING'"))
    for n in range(3):
        began = time.monotonic()
        (job_id,) = await server.submit([{"tenantId": f"free{n}", "type": "nothing"}])
        await server.job_when(job_id, "COMPLETED")
        assert time.monotonic() - began < 5.0, "the job of the other one takes a minute"
    await db.execute("SELECT count(monoq_submit('free', 'nothing')) FROM generate_series(1, 300)")
    await eventually(lambda: ended(db, "free"))
    assert await db.fetchval("SELECT max(claim) FROM jobs WHERE tenant_id = 'held'") == 1


async def test_a_job_that_waits_again_while_a_claim_waits_for_a_lock_has_a_limit_too(
    server: Server, db: asyncpg.Connection, database_url: str
) -> None:
    """Its tenant had no job that waited when the claim looked for the keys to lock."""
    await put(server, "/tenants/locked", maxRunning=1)
    await put(server, "/tenants/full", maxRunning=1)
    worker = await register(db, "b")
    (one, again, beside) = [
        await db.fetchval(
            "INSERT INTO jobs (tenant_id, type) VALUES ($1, 'b') RETURNING id", tenant
        )
        for tenant in ("locked", "full", "full")
    ]
    sql = "SELECT id FROM claim_gated_jobs($1, $2, '{b}', '{60000}', false, 4096)"
    assert [row["id"] for row in await db.fetch(sql, [again], worker)] == [again]

    holder, other = [await asyncpg.connect(database_url) for _ in range(2)]
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute(
        "SELECT pg_advisory_xact_lock(hashtext('monoq.limits'), hashtext('tenantlocked') & 255)"
    )
    claiming = asyncio.create_task(other.fetch(sql, [one, again], worker))
    await eventually(
        lambda: db.fetchval(
            "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
        )
    )
    await db.execute(
        "UPDATE jobs SET status = 'PENDING', worker_id = NULL, deadline_at = NULL WHERE id = $1",
        again,
    )
    await db.execute(
        "UPDATE jobs SET status = 'RUNNING', worker_id = $2, deadline_at = now() + interval '1 h'"
        " WHERE id = $1",
        beside,
        worker,
    )
    await transaction.commit()
    assert [row["id"] for row in await claiming] == [one]
    assert (
        await db.fetchval(
            "SELECT count(*) FROM jobs WHERE tenant_id = 'full' AND status = 'RUNNING'"
        )
        == 1
    )
    for connection in (holder, other):
        await connection.close()
