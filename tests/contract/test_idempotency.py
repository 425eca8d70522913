"""Keys that make a submit repeatable: whatever else happens at the same time, and whatever changes
on our side in between."""

import asyncio
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving

from monoq.app.registry import App


def job(**fields: Any) -> dict[str, Any]:
    return {"tenantId": "acme", "type": "nothing", **fields}


async def test_batches_with_the_same_keys_in_another_order_do_not_wait_for_one_another(
    server: Server, db: asyncpg.Connection
) -> None:
    for attempt in range(5):
        jobs = [job(idempotencyKey=f"{attempt}-{n}", payload=n) for n in range(1500)]
        there, back = await asyncio.gather(
            server.http.post("/jobs/batch", json={"jobs": jobs}),
            server.http.post("/jobs/batch", json={"jobs": jobs[::-1]}),
        )
        assert sorted([there.status_code, back.status_code]) == [200, 201], (
            there.text[:300],
            back.text[:300],
        )
        assert there.json()["jobIds"] == back.json()["jobIds"][::-1]
    assert await db.fetchval("SELECT count(*) FROM jobs") == 5 * 1500
    assert (
        await db.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        == 0
    )


async def test_a_deadlock_with_somebody_else_is_not_the_requests_fault(
    server: Server, db: asyncpg.Connection, database_url: str
) -> None:
    store = "INSERT INTO jobs (tenant_id, type, idempotency_key) VALUES ('acme', 'nothing', $1)"
    await db.execute("SET deadlock_timeout = '1 min'")  # it is not we who give way
    transaction = db.transaction()
    await transaction.start()
    await db.execute(store, "b")
    answer = asyncio.create_task(
        server.http.post("/jobs/batch", json={"jobs": [job(idempotencyKey=key) for key in "ab"]})
    )
    watching = await asyncpg.connect(database_url)
    await eventually(
        lambda: watching.fetchval(
            "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        )
    )
    await watching.close()
    # each now waits for the other; the request's transaction is rolled back, and sent again
    await db.execute(store, "a")
    await transaction.rollback()
    assert (await answer).status_code == 201, (await answer).text


async def test_an_error_of_postgres_that_nobody_expects_is_not_the_requests_fault(
    server: Server, db: asyncpg.Connection
) -> None:
    await db.execute("ALTER TABLE jobs RENAME COLUMN request_hash TO hash_of_request")
    answer = await server.http.post("/jobs/batch", json={"jobs": [job(idempotencyKey="k")]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), answer.text
    await db.execute("ALTER TABLE jobs RENAME COLUMN hash_of_request TO request_hash")
    await db.execute("ALTER TABLE jobs ADD CHECK (priority <> 7)")
    assert (await server.http.post("/jobs", json=job(priority=7))).status_code == 422
    assert (await server.http.post("/jobs", json=job())).status_code == 201


async def test_the_key_of_a_batch_brings_back_all_its_jobs(
    server: Server, db: asyncpg.Connection
) -> None:
    async def post(jobs: list[dict[str, Any]], key: str = "order-7") -> tuple[int, dict[str, Any]]:
        answer = await server.http.post(
            "/jobs/batch", json={"jobs": jobs}, headers={"Idempotency-Key": key}
        )
        return answer.status_code, answer.json()

    jobs = [job(payload=n) for n in range(3)] + [job(tenantId="other"), job(idempotencyKey="own")]
    status, first = await post(jobs)
    assert status == 201
    assert await post(jobs) == (200, first | {"repeated": [0, 1, 2, 3, 4]})
    assert len(set(first["jobIds"])) == 5
    keys = await db.fetch("SELECT idempotency_key FROM jobs ORDER BY 1")
    assert [row[0] for row in keys] == ["order-7:0", "order-7:1", "order-7:2", "order-7:3", "own"]
    for other in (
        jobs[:4],
        [*jobs, job()],
        [jobs[1], jobs[0], *jobs[2:]],
        [*jobs[:3], job(tenantId="third"), jobs[4]],
    ):
        status, problem = await post(other)
        assert (status, problem["errors"][0]["field"]) == (409, "idempotencyKey")
    assert (await server.http.post("/jobs", json=jobs[4])).json()["jobId"] == first["jobIds"][4]
    assert (await post(jobs[:3], "x" * 195))[0] == 201
    for unfit in ("x" * 196, "", "a b"):
        status, problem = await post(jobs[:3], unfit)
        assert (status, problem["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert await db.fetchval("SELECT count(*) FROM jobs") == 8


async def test_a_repeat_after_a_deploy_with_other_defaults_is_a_repeat(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deploy(max_attempts: int) -> tuple[int, str, int]:
        app = App()
        app.handler("work", max_attempts=max_attempts)(_nothing)
        monkeypatch.setattr("handlers_for_tests.app", app)
        async with serving(database_url, redis_url, role="api") as server:
            answer = await server.http.post("/jobs", json=job(type="work", idempotencyKey="k"))
            assert (
                await server.http.post(
                    "/jobs", json=job(type="work", idempotencyKey="k", maxAttempts=3)
                )
            ).status_code == 409
            job_id = answer.json()["jobId"]
            return answer.status_code, job_id, (await server.job(job_id))["maxAttempts"]

    status, job_id, attempts = await deploy(max_attempts=3)
    assert (status, attempts) == (201, 3)
    assert await deploy(max_attempts=5) == (200, job_id, 3)


async def _nothing() -> None: ...
