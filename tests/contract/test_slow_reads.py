"""Reads that take long: whoever submits, and whoever asks for the health, has connections of his
own."""

import asyncio

import asyncpg
import pytest
from conftest import eventually, serving

WAITING = (
    "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'job_counts'::regclass"
)


@pytest.mark.parametrize("connections", [4, 10])
async def test_slow_reads_hold_up_neither_submits_nor_the_health(
    database_url: str, redis_url: str, db: asyncpg.Connection, connections: int
) -> None:
    async with serving(
        database_url, redis_url, role="api", database_connections=connections
    ) as server:
        job = {"tenantId": "acme", "type": "nothing"}
        assert (await server.http.post("/jobs", json=job)).status_code == 201
        transaction = db.transaction()
        await transaction.start()
        # read by /stats of a tenant, and not written by a submit
        await db.execute("LOCK TABLE job_counts")
        reads = [
            asyncio.create_task(server.http.get("/stats?tenantId=acme"))
            for _ in range(2 * connections)
        ]
        await eventually(lambda: db.fetchval(WAITING))
        answered = 0  # while reads wait, which they do for some seconds
        while answered < 20 and not all(read.done() for read in reads):
            assert (await server.http.get("/health")).status_code == 200
            assert (await server.http.post("/jobs", json=job)).status_code == 201
            answered += not all(read.done() for read in reads)
        assert answered >= 3, "they were held up, or the reads were not slow"
        await transaction.rollback()
        assert {read.status_code for read in await asyncio.gather(*reads)} <= {200, 503}
        assert (
            await db.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('monoq api', "
                "'monoq submit', 'monoq health') AND datname = current_database()"
            )
            <= connections
        )
