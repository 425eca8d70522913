"""`callbackUrl`: whoever ends a job makes, in the same transaction, the webhook that tells of
it."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from conftest import Server, eventually, serving
from webhook_peer import Peer, peer

from monoq import Client, IdempotencyConflict, NewJob, submit
from monoq.store.jobs import JobStore

HOOK = "https://example.com/done"
WEBHOOKS = "SELECT id, tenant_id, status, payload, created_at FROM jobs WHERE type = 'webhook'"


@pytest.fixture
async def receiver() -> AsyncIterator[Peer]:
    async with peer() as one:
        yield one


@pytest.fixture
async def server(database_url: str, redis_url: str, receiver: Peer) -> AsyncIterator[Server]:
    async with serving(database_url, redis_url, allowed_networks="127.0.0.0/8") as running:
        yield running


async def told(receiver: Peer, count: int = 1) -> list[dict[str, Any]]:
    await eventually(lambda: len(receiver.requests) >= count)
    return [json.loads(request.body) for request in receiver.requests]


async def bodies(db: asyncpg.Connection) -> list[dict[str, Any]]:
    return [json.loads(row["payload"])["body"] for row in await db.fetch(WEBHOOKS)]


async def waiting(db: asyncpg.Connection, **columns: Any) -> UUID:
    """A job with a callback, that no worker takes."""
    names = ", ".join(columns)
    values = ", ".join(f"${place}" for place in range(2, len(columns) + 2))
    return UUID(
        str(
            await db.fetchval(
                f"INSERT INTO jobs (tenant_id, type, callback_url{', ' if names else ''}{names})"
                f" VALUES ('acme', 'nobody', $1{', ' if names else ''}{values}) RETURNING id",
                HOOK,
                *columns.values(),
            )
        )
    )


async def test_a_job_that_completes_tells_its_result(server: Server, receiver: Peer) -> None:
    url = receiver.url("/ok")
    (job_id,) = await server.submit(
        [{"tenantId": "acme", "type": "echo", "payload": {"n": [1, "é"]}, "callbackUrl": url}]
    )
    (body,) = await told(receiver)
    job = await server.job(job_id)
    assert body == {
        "id": job_id,
        "tenantId": "acme",
        "type": "echo",
        "status": "COMPLETED",
        "attempts": 1,
        "result": {"n": [1, "é"]},
        "resultOmitted": False,
        "error": None,
        "finishedAt": job["finishedAt"],
    }
    assert job["callbackUrl"] == url
    webhook = receiver.requests[0].headers["webhook-id"]
    assert (await server.job(webhook))["tenantId"] == "acme"
    assert UUID(webhook).version == 7
    made = int(webhook.replace("-", "")[:12], 16) / 1000
    assert abs(made - datetime.fromisoformat(job["finishedAt"]).timestamp()) < 5


@pytest.mark.parametrize(
    ("do", "status", "error"),
    [
        ("fail", "FAILED", "no use"),
        ("cancel", "CANCELLED", "not wanted"),
        ("raise", "FAILED", "ValueError"),
    ],
)
async def test_a_job_that_ends_badly_tells_why(
    server: Server, receiver: Peer, do: str, status: str, error: str
) -> None:
    await server.submit(
        [
            {
                "tenantId": "acme",
                "type": "act",
                "payload": {"do": do, "value": error},
                "maxAttempts": 1,
                "callbackUrl": receiver.url("/ok"),
            }
        ]
    )
    (body,) = await told(receiver)
    assert body["status"] == status
    assert body["result"] is None
    assert isinstance(body["error"], str)


async def test_an_attempt_that_failed_tells_nothing(server: Server, receiver: Peer) -> None:
    job = {"tenantId": "acme", "type": "act", "payload": {"do": "raise", "times": 2}}
    await server.submit([job | {"callbackUrl": receiver.url("/ok")}])
    (body,) = await told(receiver)
    assert (body["status"], body["attempts"]) == ("COMPLETED", 3)
    assert len(receiver.requests) == 1


async def test_a_cancel_and_a_later_retry_tell_once_for_each_end(
    server: Server, receiver: Peer
) -> None:
    (job_id,) = await server.submit(
        [{"tenantId": "a", "type": "echo", "delayMs": 10**7, "callbackUrl": receiver.url("/ok")}]
    )
    assert (await server.http.post(f"/jobs/{job_id}/cancel", json={})).status_code == 200
    (first,) = await told(receiver)
    assert first["status"] == "CANCELLED"
    assert (await server.http.post(f"/jobs/{job_id}/retry", json={})).status_code == 200
    _, second = await told(receiver, 2)
    assert second["status"] == "COMPLETED"


async def test_an_end_in_sql_is_an_end_and_a_change_after_it_is_none(
    db: asyncpg.Connection,
) -> None:
    ids = [await waiting(db) for _ in range(3)]
    await db.execute("UPDATE jobs SET priority = 1")
    assert await bodies(db) == []
    await db.execute("UPDATE jobs SET status = 'FAILED', finished_at = now(), error = 'by hand'")
    assert sorted(body["id"] for body in await bodies(db)) == sorted(map(str, ids))
    assert {body["error"] for body in await bodies(db)} == {"by hand"}
    await db.execute("UPDATE jobs SET status = 'CANCELLED' WHERE type = 'nobody'")
    await db.execute("UPDATE jobs SET priority = 2")
    await db.execute("DELETE FROM jobs WHERE type = 'nobody'")
    assert len(await bodies(db)) == 3


async def test_a_rescue_that_fails_a_job_tells_of_it(db: asyncpg.Connection) -> None:
    job_id = await waiting(db)
    await db.execute(
        """UPDATE jobs SET status = 'RUNNING', claim = 1, worker_id = 99, deaths = 99,
             deadline_at = now() + interval '1 h'"""
    )
    (row,) = await JobStore(db).rescue_jobs(10, 100)
    assert row["status"] == "FAILED"
    (body,) = await bodies(db)
    assert (body["id"], body["status"]) == (str(job_id), "FAILED")


async def test_an_end_that_is_rolled_back_tells_nothing(db: asyncpg.Connection) -> None:
    job_id = await waiting(db)
    transaction = db.transaction()
    await transaction.start()
    await db.execute("UPDATE jobs SET status = 'FAILED', finished_at = now()")
    assert len(await bodies(db)) == 1
    await transaction.rollback()
    assert await bodies(db) == []
    # twice in one transaction it is the same job, which has ended twice
    async with db.transaction():
        for status in ("FAILED", "PENDING", "CANCELLED"):
            await db.execute(
                "UPDATE jobs SET status = $2::job_status, version = version + 1,"
                " finished_at = CASE WHEN $2 <> 'PENDING' THEN now() END WHERE id = $1",
                job_id,
                status,
            )
    assert sorted(body["status"] for body in await bodies(db)) == ["CANCELLED", "FAILED"]


async def test_a_thousand_ends_in_one_statement_make_a_thousand_webhooks(
    db: asyncpg.Connection,
) -> None:
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, callback_url)"
        " SELECT 't' || n % 7, 'nobody', CASE WHEN n % 2 = 0 THEN $1 END"
        " FROM generate_series(1, 2000) n",
        HOOK,
    )
    await db.execute("UPDATE jobs SET status = 'COMPLETED', finished_at = now(), result = '1'")
    made = await db.fetch(WEBHOOKS)
    assert len(made) == 1000
    tenants = {
        row["id"]: row["tenant_id"] for row in await db.fetch("SELECT id, tenant_id FROM jobs")
    }
    for row in made:
        assert tenants[UUID(json.loads(row["payload"])["body"]["id"])] == row["tenant_id"]
    assert await db.fetchval("SELECT count(*) FROM waiting_jobs") == 1000
    assert (
        await db.fetchval("SELECT sum(jobs) FROM job_count_changes WHERE type = 'webhook'") == 1000
    )


async def test_a_large_result_is_left_out_and_said_so(db: asyncpg.Connection) -> None:
    for size, omitted in ((100_000, False), (300_000, True)):
        await waiting(db)
        await db.execute(
            "UPDATE jobs SET status = 'COMPLETED', finished_at = now(),"
            " result = to_jsonb(repeat('x', $1)) WHERE type = 'nobody' AND status = 'PENDING'",
            size,
        )
        body = (await bodies(db))[-1]
        assert body["resultOmitted"] is omitted
        assert (body["result"] is None) is omitted
        await db.execute("DELETE FROM jobs")


async def test_a_full_tenant_is_told_all_the_same(server: Server, receiver: Peer) -> None:
    """The end of a job cannot be refused because too many jobs wait."""
    limit = await server.http.put("/tenants/acme", json={"maxWaiting": 1})
    assert limit.status_code == 200
    await server.submit(
        [{"tenantId": "acme", "type": "echo", "delayMs": 10**7, "callbackUrl": receiver.url("/ok")}]
    )
    job_id = (await server.http.get("/jobs?tenantId=acme")).json()["jobs"][0]["id"]
    blocked = await server.http.post("/jobs", json={"tenantId": "acme", "type": "echo"})
    assert blocked.status_code == 429
    await server.http.post(f"/jobs/{job_id}/cancel", json={})
    assert (await told(receiver))[0]["status"] == "CANCELLED"


async def test_a_role_that_may_only_call_the_function_may_ask_for_a_callback(
    db: asyncpg.Connection,
) -> None:
    await db.execute("SELECT monoq_submit('acme', 'nobody', '{}', '0', $1)", HOOK)
    assert await db.fetchval("SELECT callback_url FROM jobs") == HOOK
    for wrong in ("ftp://example.com/", "https://a b/", "https://" + "a" * 2048, "javascript:x"):
        with pytest.raises(asyncpg.CheckViolationError):
            await db.execute("SELECT monoq_submit('acme', 'nobody', '{}', '0', $1)", wrong)


REFUSED_URLS: list[Any] = [
    "http://10.0.0.1/",
    "http://169.254.169.254/",
    "ftp://a/",
    "https://u:p@a/",
    "x",
    "",
    5,
]


async def test_a_url_that_may_not_be_called_is_refused_and_the_field_named(server: Server) -> None:
    for wrong in REFUSED_URLS:
        job = {"tenantId": "acme", "type": "echo", "callbackUrl": wrong}
        alone = await server.http.post("/jobs", json=job)
        assert alone.status_code == 422, wrong
        assert [error["field"] for error in alone.json()["errors"]] == ["callbackUrl"]
        good = job | {"callbackUrl": HOOK}
        batch = await server.http.post("/jobs/batch", json={"jobs": [good, job]})
        assert batch.status_code == 422, wrong
        assert [error["field"] for error in batch.json()["errors"]] == ["jobs.1.callbackUrl"]
        assert (await server.http.get("/jobs?tenantId=acme")).json()["jobs"] == []


async def test_the_python_ways_to_submit_take_one(
    server: Server, receiver: Peer, db: asyncpg.Connection
) -> None:
    url = receiver.url("/ok")
    async with Client(server.url) as client:
        ids: list[str] = [await client.submit("acme", "echo", {"n": 1}, callback_url=url)]
        ids += await client.submit_many([NewJob("acme", "echo", {"n": 2}, callback_url=url)])
    (done,) = await submit(db, NewJob("acme", "echo", {"n": 3}, callback_url=url))
    (keyed,) = await submit(
        db, NewJob("acme", "echo", {"n": 4}, callback_url=url, idempotency_key="k")
    )
    ids += [str(done.id), str(keyed.id)]
    assert sorted(body["id"] for body in await told(receiver, 4)) == sorted(ids)
    with pytest.raises(IdempotencyConflict):
        await submit(db, NewJob("acme", "echo", {"n": 4}, idempotency_key="k"))
