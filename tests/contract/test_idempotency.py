"""Keys that make a submit repeatable: whatever else happens at the same time, and whatever changes
on our side in between."""

import asyncio
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving

from monoq.app.registry import App
from monoq.store.database import query
from monoq.store.retention import RetentionStore


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


async def test_a_key_answers_its_job_though_it_was_removed_until_the_key_is_forgotten(
    server: Server, db: asyncpg.Connection
) -> None:
    async def post(**fields: Any) -> tuple[int, str | None]:
        answer = await server.http.post("/jobs", json=job(idempotencyKey="k", **fields))
        return answer.status_code, answer.json().get("jobId")

    status, job_id = await post()
    assert status == 201
    await db.execute("DELETE FROM jobs")
    assert (await server.http.get(f"/jobs/{job_id}")).status_code == 404
    assert await post() == (200, job_id)
    assert (await post(payload=1))[0] == 409
    store = RetentionStore(db)
    assert await store.forget_keys(60, 10) == 0
    assert (await post())[0] == 200
    await db.execute("UPDATE idempotency_keys SET used_at = now() - interval '1 hour'")
    assert await store.forget_keys(60, 10) == 1
    status, other_id = await post(payload=1)
    assert status == 201
    assert other_id != job_id


async def test_keys_are_forgotten_in_batches_by_their_age(db: asyncpg.Connection) -> None:
    await db.execute(
        "INSERT INTO idempotency_keys (tenant_id, key, used_at, job_id)"
        " SELECT 't', n::text, now() - n * interval '1 hour', gen_random_uuid()"
        " FROM generate_series(1, 20000) AS n"
    )
    await db.execute("ANALYZE idempotency_keys")
    store = RetentionStore(db)
    kept_s = 19_000.5 * 3600
    assert [await store.forget_keys(kept_s, 400) for _ in range(4)] == [400, 400, 200, 0]
    assert await db.fetchval("SELECT count(*) FROM idempotency_keys") == 19_000
    shown = "\n".join(
        row[0] for row in await db.fetch("EXPLAIN " + query("forget_keys"), kept_s, 400)
    )
    assert "idempotency_keys_by_age" in shown, shown
    assert "Seq Scan" not in shown, shown


async def test_a_key_holds_for_whoever_submits_in_sql(
    server: Server, db: asyncpg.Connection, database_url: str
) -> None:
    submit = "SELECT monoq_submit('acme', 'nothing', idempotency_key => $1)"
    insert = "INSERT INTO jobs (tenant_id, type, idempotency_key) VALUES ('acme', 'nothing', $1)"
    first = await db.fetchval(submit, "k")
    assert await db.fetchval(submit, "k") == first
    assert await db.fetch(insert + " RETURNING id", "k") == []
    assert await db.fetch(insert + " ON CONFLICT DO NOTHING RETURNING id", "k") == []
    assert await db.fetchval(submit.replace("acme", "other"), "k") != first
    assert (await server.http.post("/jobs", json=job(idempotencyKey="k"))).status_code == 409
    await db.execute("DELETE FROM jobs")
    assert await db.fetchval(submit, "k") == first
    assert await db.fetchval("SELECT count(*) FROM jobs") == 0

    other = await asyncpg.connect(database_url)
    for commits in (True, False):
        transaction = db.transaction()
        await transaction.start()
        early = await db.fetchval(submit, f"commits: {commits}")
        waiting = asyncio.create_task(other.fetchval(submit, f"commits: {commits}"))
        await eventually(
            lambda: db.fetchval(
                "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
            )
        )
        await (transaction.commit() if commits else transaction.rollback())
        assert (await waiting == early) == commits
    await other.close()
    assert await db.fetchval("SELECT count(*) FROM jobs") == 2
