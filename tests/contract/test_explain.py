"""Why a job waits: each reason, and that it is the first one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from conftest import Server, eventually, serving
from tables import register

import monoq
from contract.test_policies import put
from contract.test_policy_commands import cli

INSERT = "INSERT INTO jobs (tenant_id, type) VALUES ($1, $2) RETURNING id::text"
RUNNING = "SELECT count(*) = $1 FROM jobs WHERE status = 'RUNNING'"


async def explain(server: Server, job_id: str) -> dict[str, Any]:
    answer = await server.http.get(f"/jobs/{job_id}/explain")
    assert answer.status_code == 200, answer.text
    explained = answer.json()
    assert explained["jobId"] == job_id
    assert explained["message"].endswith(".")
    assert explained["message"][0].isupper(), "a sentence"
    return dict(explained)


async def reason_of(server: Server, job_id: str, code: str) -> dict[str, Any]:
    """The reason, once it has this code."""

    async def reached() -> dict[str, Any] | None:
        explained = await explain(server, job_id)
        return explained["reason"] if explained["reason"]["code"] == code else None

    return dict(await eventually(reached))


async def sleeping(server: Server, tenant: str, jobs: int, **options: Any) -> list[str]:
    job = {"tenantId": tenant, "type": "sleep", "payload": {"delayMs": 60_000}, **options}
    return await server.submit([job] * jobs)


async def test_a_pause_is_the_reason_and_says_until_when(server: Server) -> None:
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await put(server, "/tenants/acme", paused={"value": True, "until": until}, maxRunning=0)
    (job_id,) = await sleeping(server, "acme", 1, delayMs=60_000)
    reason = (await explain(server, job_id))["reason"]
    assert (reason["code"], reason["scope"], reason["name"]) == ("paused", "tenant", "acme")
    assert datetime.fromisoformat(reason["until"]) == datetime.fromisoformat(until)
    await put(server, "/tenants/acme")
    await put(server, "/types/sleep", paused=True)
    reason = (await explain(server, job_id))["reason"]
    assert (reason["code"], reason["scope"], reason["until"]) == ("paused", "type", None)
    await server.http.delete("/types/sleep")
    await put(server, "/defaults", paused=True)
    reason = (await explain(server, job_id))["reason"]
    assert (reason["name"], reason["policyOf"]) == ("acme", "default")


async def test_a_cap_is_the_reason_and_names_the_jobs_that_hold_it(
    server: Server, db: asyncpg.Connection
) -> None:
    await put(server, "/tenants/acme", maxRunning=2)
    ids = await sleeping(server, "acme", 3)
    await eventually(lambda: db.fetchval(RUNNING, 2))
    running = {str(row["id"]) for row in await db.fetch("SELECT id FROM jobs WHERE worker_id > 0")}
    (waiting,) = set(ids) - running
    reason = (await explain(server, waiting))["reason"]
    assert (reason["code"], reason["running"], reason["maxRunning"]) == ("cap", 2, 2)
    assert set(reason["heldBy"]) == running
    await put(server, "/tenants/acme", maxRunning=1)
    assert "2 of 1" in (await explain(server, waiting))["message"]
    await put(server, "/types/sleep", maxRunning=2)
    await server.http.delete("/tenants/acme")
    reason = (await explain(server, waiting))["reason"]
    assert (reason["code"], reason["scope"], reason["name"]) == ("cap", "type", "sleep")
    assert set(reason["heldBy"]) == running


async def test_a_rate_is_the_reason_and_says_when_the_next_job_starts(
    server: Server, db: asyncpg.Connection
) -> None:
    await put(server, "/tenants/acme", ratePerSecond=0.01, burst=1)
    ids = await sleeping(server, "acme", 2)
    await eventually(lambda: db.fetchval(RUNNING, 1))
    waiting = await db.fetchval("SELECT id::text FROM jobs WHERE status = 'PENDING'")
    assert waiting in ids
    reason = await reason_of(server, waiting, "rate")
    in_s = (datetime.fromisoformat(reason["nextStartAt"]) - datetime.now(UTC)).total_seconds()
    assert 60 < in_s <= 100
    assert reason["ratePerSecond"] == 0.01


async def test_a_job_that_is_not_due_is_scheduled_or_in_its_backoff(
    server: Server, db: asyncpg.Connection
) -> None:
    (job_id,) = await sleeping(server, "acme", 1, delayMs=60_000)
    job = await server.job(job_id)
    assert (await explain(server, job_id))["reason"] == {
        "code": "scheduled",
        "until": job["runAt"],
    }
    await db.execute("UPDATE jobs SET attempts = 1, error = 'no' WHERE id = $1::text::uuid", job_id)
    assert (await explain(server, job_id))["reason"] == {
        "code": "backoff",
        "until": job["runAt"],
        "attempts": 1,
        "error": "no",
    }


async def test_without_a_live_worker_for_its_type_a_job_waits_for_one(
    server: Server, db: asyncpg.Connection
) -> None:
    job_id = await db.fetchval(INSERT, "acme", "nobody-does-this")
    reason = (await explain(server, job_id))["reason"]
    told = {"type": "nobody-does-this", "liveWorkers": 1, "drainingWorkers": 0}
    assert reason == {"code": "noWorker", **told}
    await register(db, "nobody-does-this", lease_s=0.0)
    assert (await explain(server, job_id))["reason"]["code"] == "noWorker", "its lease ran out"
    await register(db, "nobody-does-this")
    assert (await explain(server, job_id))["reason"]["code"] == "queued"


async def test_when_all_slots_are_taken_it_is_told_by_whom(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    async with serving(database_url, redis_url, slots=3) as server:
        first = await sleeping(server, "greedy", 3)
        await eventually(lambda: db.fetchval(RUNNING, 3))
        (job_id,) = await sleeping(server, "acme", 1)
        assert (await explain(server, job_id))["reason"] == {
            "code": "slots",
            "pool": "loop",
            "slots": 3,
            "running": 3,
            "tenants": [{"id": "greedy", "running": 3}],
        }
        block = {"tenantId": "acme", "type": "act-in-thread", "payload": {"do": "return"}}
        (in_thread,) = await server.submit([block])
        await server.job_when(in_thread, "COMPLETED")
        await server.http.post(f"/jobs/{first[0]}/cancel", json={})
        await server.job_when(job_id, "RUNNING")
        assert (await explain(server, job_id))["reason"] == {"code": "status", "status": "RUNNING"}


async def test_a_tenant_that_holds_its_part_of_the_slots_waits_for_its_own_jobs(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    async with serving(database_url, redis_url, slots=10) as server:
        await sleeping(server, "greedy", 9)
        await eventually(lambda: db.fetchval(RUNNING, 9))
        (job_id,) = await sleeping(server, "greedy", 1)
        assert (await explain(server, job_id))["reason"] == {
            "code": "share",
            "pool": "loop",
            "tenantId": "greedy",
            "slots": 10,
            "maxOfTenant": 9,
            "running": 9,
        }
        answer = await server.http.post("/jobs/cancel", json={"filter": {"tenantId": "greedy"}})
        assert answer.status_code == 202, answer.text


async def test_all_slots_are_taken_also_where_more_run_than_it_looks_at(
    server: Server, db: asyncpg.Connection
) -> None:
    worker = await register(db, "many")
    await db.execute("UPDATE workers SET slots = 1200 WHERE id = $1", worker)
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, status, worker_id, deadline_at, started_at) "
        "SELECT 'greedy', 'many', 'RUNNING', $1, now() + interval '1 hour', now() "
        "FROM generate_series(1, 1200)",
        worker,
    )
    job_id = await db.fetchval(INSERT, "acme", "many")
    reason = (await explain(server, job_id))["reason"]
    assert (reason["code"], reason["slots"], reason["running"]) == ("slots", 1200, 1200)
    await db.execute("UPDATE workers SET slots = 1201 WHERE id = $1", worker)
    assert (await explain(server, job_id))["reason"]["code"] == "queued"


async def test_what_other_workers_run_takes_no_slot_of_those_that_could_run_the_job(
    server: Server, db: asyncpg.Connection
) -> None:
    await register(db, "mine")
    both, other = await register(db, "mine", "theirs"), await register(db, "theirs")
    run = (
        "INSERT INTO jobs (tenant_id, type, status, worker_id, deadline_at, started_at) "
        "SELECT 'greedy', 'theirs', 'RUNNING', $1, now() + interval '1 hour', now() "
        "FROM generate_series(1, $2)"
    )
    await db.execute(run, other, 5)
    job_id = await db.fetchval(INSERT, "acme", "mine")
    assert (await explain(server, job_id))["reason"]["code"] == "queued"
    await db.execute(run, both, 2)
    reason = (await explain(server, job_id))["reason"]
    assert (reason["code"], reason["slots"], reason["running"]) == ("slots", 2, 2)


async def test_a_job_knows_its_place_in_its_tenants_queue_and_an_estimate(
    server: Server, db: asyncpg.Connection
) -> None:
    await register(db, "other", "more")
    ids = [await db.fetchval(INSERT, "acme", job_type) for job_type in ("other", "more", "other")]
    await db.fetchval(INSERT, "elsewhere", "other")
    for place, job_id in enumerate(ids, 1):
        reason = (await explain(server, job_id))["reason"]
        assert (reason["code"], reason["place"], reason["placeIsExact"]) == ("queued", place, True)
        assert reason["estimateSeconds"] is None, "nothing of it ended"
    urgent = await db.fetchval(
        "INSERT INTO jobs (tenant_id, type, priority)"
        " VALUES ('acme', 'more', -1) RETURNING id::text"
    )
    assert (await explain(server, urgent))["reason"]["place"] == 1
    await db.execute(
        "INSERT INTO jobs (tenant_id, type) SELECT 'acme', 'nothing' FROM generate_series(1, 20)"
    )
    await eventually(
        lambda: db.fetchval("SELECT count(*) = 20 FROM jobs WHERE status = 'COMPLETED'")
    )
    estimate = (await explain(server, ids[2]))["reason"]["estimateSeconds"]
    assert 0 < estimate < 20
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, priority)"
        " SELECT 'acme', 'other', -2 FROM generate_series(1, 1500)"
    )
    reason = (await explain(server, ids[2]))["reason"]
    assert (reason["place"], reason["placeIsExact"]) == (1001, False), "it counts no further"


async def test_a_suspect_waits_for_a_child(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    async with serving(database_url, redis_url, children=1) as server:
        block = {"tenantId": "greedy", "type": "act-apart", "payload": {"do": "block", "value": 60}}
        await server.submit([block])
        await eventually(lambda: db.fetchval(RUNNING, 1))
        job_id = await db.fetchval(
            "INSERT INTO jobs (tenant_id, type, deaths)"
            " VALUES ('acme', 'nothing', 1) RETURNING id::text"
        )
        reason = (await explain(server, job_id))["reason"]
        assert (reason["code"], reason["pool"], reason["slots"]) == ("slots", "children", 1)


async def test_a_job_that_does_not_exist_has_no_reason(server: Server) -> None:
    for name in ("00000000-0000-0000-0000-000000000000", "nonsense"):
        answer = await server.http.get(f"/jobs/{name}/explain")
        assert answer.status_code == 404, answer.text


async def test_the_client_and_the_command_line_explain_a_job(server: Server) -> None:
    await put(server, "/tenants/acme", paused=True)
    (job_id,) = await sleeping(server, "acme", 1)
    async with monoq.Client(server.url) as client:
        assert (await client.explain(job_id))["reason"]["code"] == "paused"
    assert await cli(server, "jobs", "explain", job_id) == (
        0,
        "PENDING: Tenant acme is paused.\n",
    )
    code, said = await cli(server, "jobs", "explain", "nonsense")
    assert (code, said.count("\n")) == (1, 1)
