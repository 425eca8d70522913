"""One tenant never holds all of a worker: a part of each kind of capacity is for the others."""

from functools import partial
from typing import Any

import asyncpg
import handlers_for_work as handlers
import pytest
from conftest import Server, eventually, serving

APP = "handlers_for_work:app"
RUNNING = "SELECT count(*) FROM jobs WHERE status = 'RUNNING' AND tenant_id = $1"
ENDED = "SELECT count(*) = $1 FROM jobs WHERE status = 'COMPLETED' AND tenant_id = $2"
SUBMIT = "SELECT monoq_submit($1, $2, to_jsonb($3::float8)) FROM generate_series(1, $4)"
KINDS = [
    pytest.param("wait", {"slots": 20}, 18, id="async"),
    pytest.param("hold", {"threads": 10}, 9, id="threads"),
    pytest.param("apart", {"children": 10}, 9, id="children"),
]


async def are_running(db: asyncpg.Connection, tenant: str, jobs: int) -> bool:
    return bool(await db.fetchval(RUNNING, tenant) >= jobs)


async def cancel_all(server: Server) -> None:
    handlers.let_go.set()
    answer = await server.http.post("/jobs/cancel", json={"filter": {"tenantId": "large"}})
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(("job_type", "sizes", "most"), KINDS)
async def test_beside_a_tenant_with_long_jobs_for_all_slots_others_start_at_once(
    database_url: str,
    redis_url: str,
    db: asyncpg.Connection,
    job_type: str,
    sizes: dict[str, Any],
    most: int,
) -> None:
    handlers.let_go.clear()
    async with serving(database_url, redis_url, app=APP, **sizes) as server:
        await db.fetch(SUBMIT, "large", job_type, 60.0, 100)
        await eventually(partial(are_running, db, "large", most))
        for n in range(1, 4):
            answer = await server.http.post(
                "/jobs", json={"tenantId": "small", "type": SHORT[job_type], "payload": 0}
            )
            assert answer.status_code == 201, answer.text
            await eventually(partial(db.fetchval, ENDED, n, "small"))
        await db.fetch(SUBMIT, "other", SHORT[job_type], 0.0, 3 * most)
        await eventually(partial(db.fetchval, ENDED, 3 * most, "other"))
        assert await db.fetchval(RUNNING, "large") == most
        await cancel_all(server)


SHORT = {"wait": "wait", "hold": "plain", "apart": "apart"}


async def test_without_redis_too_others_start_at_once(
    database_url: str, db: asyncpg.Connection
) -> None:
    async with serving(database_url, "redis://127.0.0.1:1", app=APP, slots=20) as server:
        await db.fetch(SUBMIT, "large", "wait", 60.0, 100)
        await eventually(partial(are_running, db, "large", 18))
        await db.fetch(SUBMIT, "small", "wait", 0.0, 5)
        await eventually(partial(db.fetchval, ENDED, 5, "small"))
        assert await db.fetchval(RUNNING, "large") == 18
        await cancel_all(server)


async def test_one_who_comes_later_gets_his_share_as_slots_are_freed(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    async with serving(database_url, redis_url, app=APP, slots=20) as server:
        await db.fetch(SUBMIT, "large", "wait", 1.0, 500)
        await eventually(partial(are_running, db, "large", 18))
        await db.fetch(SUBMIT, "later", "wait", 60.0, 100)
        # two at once, the others as the first one's jobs end
        await eventually(partial(are_running, db, "later", 8))
        await cancel_all(server)
        handlers.let_go.set()
        answer = await server.http.post("/jobs/cancel", json={"filter": {"tenantId": "later"}})
        assert answer.status_code == 202, answer.text
