"""GET /workers and GET /stats/types."""

from typing import Any

import asyncpg
from conftest import Server, eventually
from tables import register

from monoq import __version__


async def workers(server: Server) -> list[dict[str, Any]]:
    answer = await server.http.get("/workers")
    assert answer.status_code == 200, answer.text
    assert answer.json()["runsAreComplete"]
    return list(answer.json()["workers"])


async def test_live_workers_tell_their_slots_and_what_they_run(
    server: Server, db: asyncpg.Connection
) -> None:
    await register(db, "gone", lease_s=0.0)
    sleep = {"type": "sleep", "payload": {"delayMs": 60_000}}
    await server.submit([{"tenantId": tenant, **sleep} for tenant in ("a", "a", "b")])
    await server.submit(
        [{"tenantId": "a", "type": "act-in-thread", "payload": {"do": "block", "value": 2}}]
    )

    async def all_run() -> dict[str, Any] | None:
        (worker,) = await workers(server)
        return worker if sum(one["jobs"] for one in worker["running"]) == 4 else None

    worker = await eventually(all_run)
    assert worker["running"] == [
        {"type": "act-in-thread", "jobs": 1},
        {"type": "sleep", "jobs": 3},
    ]
    pools = worker["pools"]
    assert pools["loop"]["used"] == 3
    assert pools["threads"]["used"] == 1
    assert pools["loop"]["slots"] == 2000
    assert "sleep" in pools["loop"]["types"]
    assert worker["version"] == __version__
    assert 0 <= worker["silentSeconds"] < 20
    assert worker["name"]


async def test_types_tell_their_jobs_by_status_and_how_many_workers_have_them(
    server: Server, db: asyncpg.Connection
) -> None:
    job = {"tenantId": "a", "type": "echo", "payload": 1}
    (done,) = await server.submit([job])
    await server.job_when(done, "COMPLETED")
    await db.execute("INSERT INTO jobs (tenant_id, type) VALUES ('a', 'nobody-does-this')")
    answer = await server.http.get("/stats/types")
    assert answer.status_code == 200, answer.text
    types = {one["type"]: one for one in answer.json()["types"]}
    assert types["echo"]["counts"]["COMPLETED"] == 1
    assert types["echo"]["workers"] == 1
    nobodys = types["nobody-does-this"]
    assert (nobodys["counts"]["PENDING"], nobodys["workers"]) == (1, 0)
    assert nobodys["meanRunSeconds"] is None
    assert types["sleep"]["counts"]["COMPLETED"] == 0, "a type without jobs that a worker has"
