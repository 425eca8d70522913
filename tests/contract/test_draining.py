"""POST /workers/{id}/drain and /resume: a worker that claims no more jobs, and goes on."""

import asyncio
import sys
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving
from tables import claim

ECHO = {"tenantId": "acme", "type": "echo", "payload": 1}


async def workers(server: Server) -> dict[int, dict[str, Any]]:
    answer = await server.http.get("/workers")
    assert answer.status_code == 200, answer.text
    return {one["id"]: one for one in answer.json()["workers"]}


async def tell(server: Server, worker_id: int, what: str) -> dict[str, Any]:
    answer = await server.http.post(f"/workers/{worker_id}/{what}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def reason(server: Server, job_id: str) -> dict[str, Any]:
    return dict((await server.http.get(f"/jobs/{job_id}/explain")).json()["reason"])


async def test_a_draining_worker_claims_nothing_while_another_takes_over_and_resumes(
    server: Server, db: asyncpg.Connection, database_url: str, redis_url: str
) -> None:
    sleep = {"tenantId": "acme", "type": "sleep", "payload": {"delayMs": 60_000}}
    (held,) = await server.submit([sleep])
    await server.job_when(held, "RUNNING")
    (first,) = await workers(server)
    drained = await tell(server, first, "drain")
    assert (drained["draining"], drained["running"]) == (True, [{"type": "sleep", "jobs": 1}])
    ids = await server.submit([ECHO] * 20)
    assert not await claim(db, ids, first, "echo"), "from the answer on, whatever the worker knows"
    gated = "SELECT FROM claim_gated_jobs($1::uuid[], $2, '{echo}', '{60000}', false, 4096)"
    assert not await db.fetch(gated, ids, first), "nor while limits hold"
    assert await reason(server, ids[0]) == {
        "code": "noWorker",
        "type": "echo",
        "liveWorkers": 1,
        "drainingWorkers": 1,
    }
    for path in "/types", "/stats/types":
        types = (await server.http.get(path)).json()["types"]
        assert {one["workers"] for one in types} == {0}, path
    needs = (await server.http.get("/scaling")).json()["types"]
    echoes = next(one for one in needs if one["type"] == "echo")
    assert (echoes["waiting"], echoes["running"], echoes["slots"]) == (20, 0, 1), "from others"
    async with serving(database_url, redis_url, role="worker"):
        for job_id in ids:
            await server.job_when(job_id, "COMPLETED")
        second = max(await workers(server))
        assert (await server.job(held))["workerId"] == first, "what it runs goes on"
        await tell(server, second, "drain")
        assert not (await tell(server, first, "resume"))["draining"]
        (again,) = await server.submit([ECHO])
        await server.job_when(again, "COMPLETED")
        assert {one["draining"] for one in (await workers(server)).values()} == {True, False}
        await server.http.post(f"/jobs/{held}/cancel")


async def test_a_worker_drains_and_resumes_without_redis_and_under_a_new_id(
    db: asyncpg.Connection, database_url: str
) -> None:
    async with serving(database_url, "redis://127.0.0.1:1") as server:
        (first,) = await workers(server)
        await tell(server, first, "drain")
        (job_id,) = await server.submit([ECHO])
        assert (await reason(server, job_id))["code"] == "noWorker"
        beaten = "SELECT draining FROM workers WHERE id = $1 AND beat_at > $2"
        now = await db.fetchval("SELECT now()")
        assert await eventually(lambda: db.fetchval(beaten, first, now))
        await db.execute("UPDATE workers SET declared_lost = true WHERE id = $1", first)

        async def another() -> int | None:
            return next((one for one in await workers(server) if one != first), None)

        second = await eventually(another)
        assert (await workers(server))[second]["draining"], "it is the same process"
        assert (await server.job(job_id))["status"] == "PENDING"
        await tell(server, second, "resume")
        await server.job_when(job_id, "COMPLETED")


@pytest.mark.parametrize("worker_id", ["0", "-1", "one", "9" * 30, "%D9%A1"])
async def test_a_worker_that_does_not_live_is_not_found(server: Server, worker_id: str) -> None:
    for what in "drain", "resume":
        answer = await server.http.post(f"/workers/{worker_id}/{what}")
        assert answer.status_code == 404, answer.text
        assert "no live worker" in answer.json()["detail"]


async def test_a_worker_is_drained_from_the_command_line(server: Server) -> None:
    async def cli(*words: str) -> tuple[int, str]:
        command = (sys.executable, "-m", "monoq", "workers", *words, "--url", server.url)
        pipe, both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=both)
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    (worker,) = await workers(server)
    code, said = await cli("drain", str(worker))
    assert (code, "is draining; it runs 0 jobs" in said) == (0, True), said
    code, said = await cli()
    assert (code, "draining" in said) == (0, True), said
    code, said = await cli("resume", str(worker))
    assert (code, "claims jobs again" in said) == (0, True), said
    code, said = await cli("drain", "999")
    assert (code, said) == (1, "monoq: there is no live worker 999\n")
