"""GET /tenants: pages in every order, and the numbers of each tenant."""

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving
from tables import DIFFER

from contract.test_policies import put
from contract.test_policy_commands import cli
from monoq.store.database import query

# t0 … t39; each with n waiting, of which the oldest is due for n * 7 % 40 minutes and a bit
JOBS = """
    INSERT INTO jobs (tenant_id, type, run_at, priority)
    SELECT 't' || n, 'nobody-runs-it' || k % 2,
           now() - (n * 7 % 40 * k / n + 0.1) * interval '1 min', k % 3
    FROM generate_series(1, 39) AS n, generate_series(1, n) AS k"""
RUNNING = """
    INSERT INTO jobs (tenant_id, type, status, worker_id, deadline_at)
    SELECT 't' || n, 'nobody-runs-it', 'RUNNING', 1, now() + interval '1 h'
    FROM generate_series(1, 39) AS n, generate_series(1, n * 11 % 13) AS k"""


async def pages(server: Server, limit: int, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = await server.http.get(
            "/tenants", params={"limit": limit, "cursor": cursor, **params}
        )
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["tenants"]) == limit or page["nextCursor"] is None
        found += page["tenants"]
        cursor = page["nextCursor"]
        if cursor is None:
            return found


async def folded(db: asyncpg.Connection) -> None:
    await eventually(lambda: db.fetchval("SELECT NOT EXISTS (SELECT FROM job_count_changes)"))


async def test_tenants_come_in_every_order_in_pages_none_twice_and_none_missing(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    await db.execute("ALTER TABLE workers ALTER expires_at SET DEFAULT 'infinity'")
    await db.execute(
        "INSERT INTO workers (id, name, slots) OVERRIDING SYSTEM VALUE VALUES (1, 'w', 1)"
    )
    await db.execute(JOBS)
    await db.execute(RUNNING)
    await db.execute("INSERT INTO jobs (tenant_id, type) VALUES ('other', 'nobody-runs-it')")
    async with serving(database_url, redis_url, role="api") as server:
        await folded(db)
        values: dict[str, Callable[[dict[str, Any]], Any]] = {
            "tenant": lambda tenant: tenant["id"],
            "backlog": lambda tenant: tenant["backlog"],
            "running": lambda tenant: tenant["running"],
            "oldest": lambda tenant: tenant["oldestWaitingSeconds"],
        }
        for sort, value in values.items():
            for order in "asc", "desc":
                for limit in 7, 1000:
                    found = await pages(server, limit, sort=sort, order=order)
                    assert len({tenant["id"] for tenant in found}) == len(found) == 40
                    numbers = [value(tenant) for tenant in found]
                    in_order = sorted(numbers, reverse=order == "desc")
                    if sort == "oldest":
                        # asked for by pages, one after the other: each is a little older
                        assert numbers == pytest.approx(in_order, abs=2)
                    else:
                        assert numbers == in_order, (sort, order)
            some = await pages(server, 3, sort=sort, prefix="t3")
            assert len(some) == 11
            assert all(tenant["id"].startswith("t3") for tenant in some)
        first = (await pages(server, 1000))[0]
        assert first["id"] == "other"
        usual = (await server.http.get("/tenants", params={"sort": "backlog", "limit": 1})).json()
        assert usual["tenants"][0]["id"] == "t39", "the greatest first"
        truth = await db.fetch(
            """SELECT tenant_id, count(*) FILTER (WHERE status = 'PENDING') AS backlog,
                      count(*) FILTER (WHERE status = 'RUNNING') AS running,
                      date_part('epoch', now() - min(run_at) FILTER (WHERE status = 'PENDING'))
                          AS oldest
               FROM jobs GROUP BY 1"""
        )
        shown = {tenant["id"]: tenant for tenant in await pages(server, 1000)}
        for tenant, backlog, running, oldest in truth:
            assert shown[tenant]["backlog"] == shown[tenant]["counts"]["PENDING"] == backlog
            assert shown[tenant]["running"] == shown[tenant]["counts"]["RUNNING"] == running
            assert shown[tenant]["oldestWaitingSeconds"] == pytest.approx(oldest, abs=5)
        await folded(db)
        assert await db.fetch(DIFFER) == []
        await db.execute("DELETE FROM jobs WHERE tenant_id = 't39'")
        await folded(db)
        assert await db.fetch(DIFFER) == []


async def test_a_tenant_has_its_shares_its_policy_and_the_limit_that_holds_it(
    server: Server, db: asyncpg.Connection
) -> None:
    await put(server, "/defaults", weight=2.0)
    await put(server, "/tenants/heavy", weight=6.0, maxRunning=3)
    await put(server, "/tenants/still", paused=True)
    await put(server, "/tenants/idle", paused=True)
    job = {"type": "sleep", "payload": {"delayMs": 60_000}}
    await server.submit([{**job, "tenantId": "heavy"}] * 5 + [{**job, "tenantId": "still"}] * 2)
    await server.submit([{**job, "tenantId": "light"}])
    await server.submit([{"tenantId": "idle", "type": "sleep", "payload": {"delayMs": 1}}])
    (idle,) = [row["id"] for row in await db.fetch("SELECT id FROM jobs WHERE tenant_id = 'idle'")]
    await server.http.post(f"/jobs/{idle}/cancel")
    await eventually(lambda: db.fetchval("SELECT count(*) = 4 FROM jobs WHERE worker_id > 0"))
    await folded(db)

    async def told() -> dict[str, Any] | None:
        page = (await server.http.get("/tenants")).json()["tenants"]
        by_name = {tenant["id"]: tenant for tenant in page}
        # the sums over all tenants are up to 2 s old
        settled = (
            by_name["heavy"]["runningShare"] == 0.75 and by_name["light"]["weightShare"] == 0.2
        )
        return by_name if settled else None

    shown = await eventually(told)
    assert shown["heavy"]["policy"] == {"weight": 6.0, "maxRunning": 3}
    assert (shown["heavy"]["weight"], shown["heavy"]["weightShare"]) == (6.0, 0.6)
    assert (shown["light"]["weight"], shown["light"]["runningShare"]) == (2.0, 0.25)
    held = {name: tenant["heldBy"] for name, tenant in shown.items()}
    assert held == {"heavy": "maxRunning", "still": "paused", "light": None, "idle": None}
    assert shown["idle"]["weightShare"] == 0
    code, said = await cli(server, "tenants", "list", "--sort", "backlog", "--prefix", "heavy")
    assert code == 0, said
    assert "maxRunning" in said
    assert "75.0% of 60.0%" in said


WRONG: list[tuple[dict[str, str], str]] = [
    ({"sort": "name"}, "sort"),
    ({"order": "up"}, "order"),
    ({"prefix": "a b"}, "prefix"),
    ({"prefix": "~"}, "prefix"),
    ({"limit": "0"}, "limit"),
    ({"sort": "backlog", "cursor": "acme"}, "cursor"),
    ({"sort": "backlog", "cursor": "1.5~acme"}, "cursor"),
    ({"sort": "oldest", "cursor": "nan~acme"}, "cursor"),
    ({"sort": "running", "cursor": "9" * 30 + "~acme"}, "cursor"),
    ({"cursor": "\0"}, "cursor"),
]


async def test_a_wrong_question_is_refused_and_its_field_named(server: Server) -> None:
    for params, field in WRONG:
        answer = await server.http.get("/tenants", params=params)
        assert answer.status_code == 422, (params, answer.text)
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_ranking_reads_a_row_a_tenant_and_no_job(
    db: asyncpg.Connection,
) -> None:
    await db.execute(
        "INSERT INTO jobs (tenant_id, type)"
        " SELECT 't' || n % 50, 'x' FROM generate_series(1, 20000) AS n"
    )
    while await db.fetchval(query("fold_counts"), 1000):
        pass
    await db.execute("ANALYZE")
    shown = await db.fetch(
        "EXPLAIN " + query("rank_tenants"), "backlog", "", "~", None, None, 10, -1
    )
    text = "\n".join(row[0] for row in shown)
    assert "tenant_counts" in text
    assert "jobs" not in text
