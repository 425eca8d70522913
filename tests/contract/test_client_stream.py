"""The Python client's stream, on a server that comes and goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import asyncpg
import pytest
from conftest import FACT_TIMEOUT_S, Server, serving

import monoq
from monoq.errors import CursorRefused, RequestRefused

LATER = {"tenantId": "acme", "type": "nothing", "delayMs": 3_600_000}


async def take(updates: AsyncIterator[Any], ids: list[str], status: str) -> list[dict[str, Any]]:
    """Up to when all of these jobs have this status; fails at a version that does not grow."""
    missing, taken = set(ids), []
    versions: dict[str, int] = {}
    async with asyncio.timeout(FACT_TIMEOUT_S):
        while missing:
            update = await anext(updates)
            taken.append(update)
            assert update["version"] > versions.get(update["jobId"], 0)
            versions[update["jobId"]] = update["version"]
            if update["status"] == status:
                missing.discard(update["jobId"])
    return taken


@asynccontextmanager
async def streaming(
    server: Server, tenant: str = "acme", **options: Any
) -> AsyncIterator[tuple[Any, AsyncIterator[Any]]]:
    async with monoq.Client(server.url) as client:
        stream = client.stream(tenant, **options)
        async with aclosing(aiter(stream)) as updates:
            yield stream, updates


async def test_a_stream_begins_with_all_jobs_and_goes_on_from_its_cursor(server: Server) -> None:
    before = await server.submit([LATER] * 600)
    async with streaming(server) as (stream, updates):
        assert stream.cursor is None
        taken = await take(updates, before, "PENDING")
        assert set(taken[0]) == {
            "jobId",
            *[
                "tenantId",
                "type",
                "status",
                "attempts",
                "version",
                "error",
                "workerId",
                "updatedAt",
            ],
        }
        assert stream.cursor is None, "before all jobs are taken, no cursor covers them"
        ids = await server.submit([{"tenantId": "acme", "type": "nothing"}] * 5)
        await take(updates, ids, "COMPLETED")
        cursor = stream.cursor
        assert cursor
    (missed,) = await server.submit([LATER])
    async with streaming(server, cursor=cursor) as (_, updates):
        assert missed in {update["jobId"] for update in await take(updates, [missed], "PENDING")}


async def test_a_stream_survives_servers_that_stop_and_start(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url) as server:
        port = server.port
        client = monoq.Client(server.url)
        updates = aiter(client.stream("acme"))
        (job_id,) = await server.submit([LATER])
        await take(updates, [job_id], "PENDING")
    async with serving(database_url, redis_url, role="api") as elsewhere:
        answer = await elsewhere.http.post(f"/jobs/{job_id}/cancel", json={})
        assert answer.status_code == 200
    async with serving(database_url, redis_url, port=port):
        taken = await take(updates, [job_id], "CANCELLED")
        assert [update["version"] for update in taken] == [2]
        await updates.aclose()
        await client.__aexit__()


async def test_a_cursor_that_is_refused_means_reading_anew(
    server: Server, db: asyncpg.Connection
) -> None:
    (first,) = await server.submit([LATER])
    async with streaming(server) as (stream, updates):
        await take(updates, [first], "PENDING")
        (job_id,) = await server.submit([LATER])
        await take(updates, [job_id], "PENDING")
        cursor = stream.cursor
        assert cursor
    await db.execute("UPDATE stream SET floor = pg_current_xact_id()")
    async with streaming(server, cursor=cursor) as (_, updates):
        await take(updates, [first, job_id], "PENDING")
    async with streaming(server, cursor=cursor, snapshot=False) as (_, updates):
        with pytest.raises(CursorRefused):
            await anext(updates)
    async with streaming(server, "no tenant") as (_, updates):
        with pytest.raises(RequestRefused):
            await anext(updates)
