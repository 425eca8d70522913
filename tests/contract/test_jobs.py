"""POST /jobs and its kin, as a client sees them."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from conftest import Server, eventually
from handlers_for_tests import app

import monoq
from monoq.errors import InvalidJson
from monoq.handlers import builtin
from monoq.handlers.options import Options


def job(**fields: Any) -> dict[str, Any]:
    return {"tenantId": "acme", "type": "nothing", **fields}


async def test_a_job_is_stored_run_and_shown_with_its_result(server: Server) -> None:
    answer = await server.http.post(
        "/jobs", json=job(type="echo", payload={"n": 1, "text": "häß 🎉"})
    )
    assert answer.status_code == 201
    job_id = answer.json()["jobId"]
    assert answer.headers["location"] == f"/jobs/{job_id}"
    assert UUID(job_id).version == 7
    done = await server.job_when(job_id, "COMPLETED")
    assert done["result"] == done["payload"] == {"n": 1, "text": "häß 🎉"}
    assert (done["attempts"], done["version"], done["error"], done["errors"]) == (1, 3, None, [])
    assert done["createdAt"] <= done["startedAt"] <= done["finishedAt"] == done["updatedAt"]


async def test_a_batch_answers_ids_in_order_and_all_run(server: Server) -> None:
    ids = await server.submit([job(type="echo", payload={"n": n}) for n in range(2500)])
    assert len(set(ids)) == 2500

    async def all_done() -> bool:
        answer = await server.http.get("/stats", params={"tenantId": "acme"})
        return bool(
            answer.json()["counts"]
            == {"PENDING": 0, "RUNNING": 0, "COMPLETED": 2500, "FAILED": 0, "CANCELLED": 0}
        )

    await eventually(all_done)
    for n in (0, 1234, 2499):
        assert (await server.job(ids[n]))["result"] == {"n": n}


@pytest.mark.parametrize("key", [None, "a-key"], ids=["without keys", "with a key"])
async def test_jobs_of_a_batch_keep_what_only_some_of_them_say(
    server: Server, db: asyncpg.Connection, key: str | None
) -> None:
    said = [
        {"type": "nothing", "delayMs": 3_600_000},
        {"type": "nothing", "delayMs": 3_600_000, "priority": -7},
        {"type": "nothing", "runAt": "2999-01-02T03:04:05Z", "timeoutMs": 1234},
        {"type": "nothing", "delayMs": 3_600_000, "maxAttempts": 9},
    ]
    if key:
        said[1]["idempotencyKey"] = key
    ids = await server.submit([{"tenantId": "acme"} | one for one in said])
    rows = await db.fetch(
        """SELECT priority, max_attempts, timeout_ms, idempotency_key, run_at
           FROM jobs WHERE id = ANY($1::uuid[]) ORDER BY id""",
        ids,
    )
    assert [row["priority"] for row in rows] == [0, -7, 0, 0]
    assert rows[3]["max_attempts"] == 9
    assert rows[0]["max_attempts"] == rows[1]["max_attempts"] != 9
    assert [row["timeout_ms"] for row in rows] == [None, None, 1234, None]
    assert [row["idempotency_key"] for row in rows] == [None, key, None, None]
    assert rows[2]["run_at"].year == 2999
    assert rows[0]["run_at"] > await db.fetchval("SELECT now() + interval '59 minutes'")


async def test_many_single_posts_at_once_are_all_stored(server: Server) -> None:
    answers = await asyncio.gather(
        *[server.http.post("/jobs", json=job(payload={"n": n})) for n in range(100)]
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["jobId"] for answer in answers}) == 100


async def test_a_payload_that_is_no_json_is_refused_by_every_door_before_it_is_sent(
    server: Server, db: asyncpg.Connection
) -> None:
    async with monoq.Client(server.url) as client:
        for no_json in (math.nan, {"a": [math.inf]}, object()):
            with pytest.raises(InvalidJson):
                await client.submit("acme", "echo", no_json)
            with pytest.raises(InvalidJson):
                await client.submit_many([job(type="echo", payload=no_json)])
            with pytest.raises(InvalidJson):
                await monoq.submit(db, monoq.NewJob(tenant_id="acme", type="echo", payload=no_json))
        job_id = await client.submit("acme", "echo", {"at": [None, 1.5, "häß 🎉"]})
        assert (await client.wait(job_id))["result"] == {"at": [None, 1.5, "häß 🎉"]}
    assert await db.fetchval("SELECT count(*) FROM jobs") == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"tenantId": ""}, "tenantId"),
    ({"tenantId": "a b"}, "tenantId"),
    ({"tenantId": "x" * 129}, "tenantId"),
    ({"tenantId": None}, "tenantId"),
    ({"type": "unheard-of"}, "type"),
    ({"type": 7}, "type"),
    ({"priority": 101}, "priority"),
    ({"priority": "5"}, "priority"),
    ({"priority": True}, "priority"),
    ({"delayMs": -1}, "delayMs"),
    ({"runAt": "tomorrow"}, "runAt"),
    ({"runAt": "2030-01-01T00:00:00"}, "runAt"),
    ({"maxAttempts": 0}, "maxAttempts"),
    ({"timeoutMs": 0}, "timeoutMs"),
    ({"idempotencyKey": ""}, "idempotencyKey"),
    ({"idempotencyKey": "ä"}, "idempotencyKey"),
    ({"delayMs": 1, "runAt": "2030-01-01T00:00:00Z"}, "runAt"),
    ({"surprise": 1}, "surprise"),
    ({"type": "sleep", "payload": {"delayMs": "soon"}}, "payload.delayMs"),
    ({"type": "sleep", "payload": {}}, "payload.delayMs"),
]


async def test_what_is_wrong_is_named(server: Server) -> None:
    for fields, field in WRONG:
        answer = await server.http.post("/jobs", json=job(**fields))
        assert answer.status_code == 422, fields
        assert answer.headers["content-type"] == "application/problem+json"
        assert field in [error["field"] for error in answer.json()["errors"]]
        batch = await server.http.post("/jobs/batch", json={"jobs": [job(), job(**fields)]})
        assert batch.status_code == 422
        assert f"jobs.1.{field}".rstrip(".") in [error["field"] for error in batch.json()["errors"]]
        assert (await server.http.get("/jobs", params={"tenantId": "acme"})).json()["jobs"] == []


async def test_an_unknown_type_is_refused_with_the_known_ones_named(server: Server) -> None:
    answer = await server.http.post("/jobs", json=job(type="unheard-of"))
    known = sorted([*app.handlers, *builtin(Options()).handlers])
    assert f"known: {', '.join(known)}" in answer.json()["errors"][0]["message"]


async def test_a_body_that_is_no_json_is_refused(server: Server) -> None:
    for body in (b"", b"{", b"nope", b"\xff\xfe"):
        for path in ("/jobs", "/jobs/batch"):
            answer = await server.http.post(
                path, content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 400, answer.text
            assert answer.headers["content-type"] == "application/problem+json"


UNREADABLE = [
    b"NaN",
    rb'"\u0000"',
    rb'"\ud800"',
    b"1e999",
    b"9007199254740993",
    b"[" * 65 + b"]" * 65,
    b'{"a":1,"a":2}',
    b"{",
]


async def test_one_job_that_could_not_be_read_again_refuses_its_whole_batch(
    server: Server, db: asyncpg.Connection
) -> None:
    """All that could not be, and what comes back of the rest, is in
    tests/contract/test_hostile_json.py."""
    for unreadable in UNREADABLE:
        good, bad = (
            b'{"tenantId":"acme","type":"nothing","payload":%s}' % payload
            for payload in (b"1", unreadable)
        )
        body = b'{"jobs":[%s,%s]}' % (good, bad)
        answer = await server.http.post(
            "/jobs/batch", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code in (400, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert await db.fetchval("SELECT count(*) FROM jobs") == 0


async def test_a_payload_that_would_grow_names_the_field(server: Server) -> None:
    answer = await server.http.post("/jobs", json=job(payload=[1e300] * 1000))
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] == "payload"
    assert "written out" in error["message"]


async def test_a_body_too_large_is_refused(server: Server) -> None:
    answer = await server.http.post("/jobs", json=job(payload="x" * 300_000))
    assert answer.status_code == 413

    async def in_chunks() -> AsyncIterator[bytes]:
        yield b'{"tenantId":"acme","type":"nothing","payload":"'
        yield b"x" * 300_000
        yield b'"}'

    answer = await server.http.post(
        "/jobs", content=in_chunks(), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert (
        await server.http.post("/jobs/batch", json={"jobs": [job()] * 10_001})
    ).status_code == 422


async def test_a_repeated_idempotency_key_brings_back_the_first_job(server: Server) -> None:
    first = await server.http.post(
        "/jobs", json=job(payload={"a": 1, "b": 2}), headers={"Idempotency-Key": "order-7"}
    )
    again = await server.http.post(
        "/jobs", json=job(payload={"b": 2, "a": 1}, idempotencyKey="order-7")
    )
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = await server.http.post("/jobs", json=job(payload={"a": 2}, idempotencyKey="order-7"))
    assert other.status_code == 409
    assert other.json()["errors"][0]["field"] == "idempotencyKey"
    elsewhere = await server.http.post(
        "/jobs", json=job(tenantId="other", payload={"a": 2}, idempotencyKey="order-7")
    )
    assert elsewhere.status_code == 201


async def test_the_same_key_many_times_at_once_makes_one_job(
    server: Server, db: asyncpg.Connection
) -> None:
    answers = await asyncio.gather(
        *[server.http.post("/jobs", json=job(idempotencyKey="once")) for _ in range(50)]
    )
    assert sorted({answer.status_code for answer in answers}) == [200, 201]
    assert len({answer.json()["jobId"] for answer in answers}) == 1
    assert await db.fetchval("SELECT count(*) FROM jobs") == 1


async def test_a_batch_with_keys_is_repeated_whole_or_refused_whole(
    server: Server, db: asyncpg.Connection
) -> None:
    jobs = [job(payload={"n": n}, idempotencyKey=f"k{n}") for n in range(5)]
    first = await server.http.post("/jobs/batch", json={"jobs": jobs})
    again = await server.http.post("/jobs/batch", json={"jobs": [*jobs, job(idempotencyKey="k5")]})
    assert again.status_code == 201
    assert again.json()["jobIds"][:5] == first.json()["jobIds"]
    conflict = await server.http.post(
        "/jobs/batch",
        json={"jobs": [job(idempotencyKey="new"), job(payload=1, idempotencyKey="k0")]},
    )
    assert conflict.status_code == 409
    assert await db.fetchval("SELECT count(*) FROM jobs") == 6


async def test_lists_are_paged_newest_first_and_filtered(server: Server) -> None:
    ids = await server.submit(
        [job(type="echo" if n % 2 else "nothing", payload=n) for n in range(25)]
    )
    await server.submit([job(tenantId="other")])
    seen, cursor, pages = [], None, 0
    while True:
        more = f"&cursor={cursor}" if cursor else ""
        page = (await server.http.get(f"/jobs?tenantId=acme&limit=10{more}")).json()
        assert all("payload" not in one for one in page["jobs"])
        seen += [one["id"] for one in page["jobs"]]
        pages += 1
        if (cursor := page["nextCursor"]) is None:
            break
    assert seen == ids[::-1]
    assert pages == 3
    await server.job_when(ids[-1], "COMPLETED")
    echoes = (
        await server.http.get("/jobs", params={"tenantId": "acme", "type": "echo", "limit": 500})
    ).json()["jobs"]
    assert [one["id"] for one in echoes] == ids[1::2][::-1]
    assert (
        await server.http.get("/jobs", params={"tenantId": "acme", "status": "FAILED"})
    ).json() == {"jobs": [], "nextCursor": None}


WRONG_QUERIES: list[tuple[dict[str, str], str]] = [
    ({}, "tenantId"),
    ({"tenantId": "a", "limit": "501"}, "limit"),
    ({"tenantId": "a", "status": "DONE"}, "status"),
    ({"tenantId": "a", "cursor": "zzz"}, "cursor"),
    ({"tenantId": "a", "offset": "5"}, "offset"),
]


async def test_a_wrong_query_is_named(server: Server) -> None:
    for params, field in WRONG_QUERIES:
        answer = await server.http.get("/jobs", params=params)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_an_unknown_job_is_404(server: Server) -> None:
    for path in (f"/jobs/{uuid4()}", "/jobs/nonsense", "/nowhere"):
        answer = await server.http.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await server.http.post(f"/jobs/{uuid4()}/cancel", json={})).status_code == 404
    assert (await server.http.put("/jobs", json={})).status_code == 405
    (job_id,) = await server.submit([job()])
    refused = await server.http.delete(f"/jobs/{job_id}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert refused.json()["detail"] == f"a job stays; POST /jobs/{job_id}/cancel cancels it"


async def test_a_waiting_job_is_cancelled_and_retried(server: Server) -> None:
    (job_id,) = await server.submit([job(delayMs=3_600_000)])
    cancelled = await server.http.post(f"/jobs/{job_id}/cancel", json={})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    assert (await server.http.post(f"/jobs/{job_id}/cancel", json={})).status_code == 409
    retried = await server.http.post(f"/jobs/{job_id}/retry", json={})
    assert retried.json()["status"] == "PENDING"
    done = await server.job_when(job_id, "COMPLETED")
    assert done["version"] == 5
    conflict = await server.http.post(f"/jobs/{job_id}/retry", json={})
    assert conflict.status_code == 409
    assert "COMPLETED" in conflict.json()["detail"]


async def test_a_running_job_that_is_cancelled_stays_cancelled(server: Server) -> None:
    (job_id,) = await server.submit([job(type="sleep", payload={"delayMs": 300})])
    await server.job_when(job_id, "RUNNING")
    assert (await server.http.post(f"/jobs/{job_id}/cancel", json={})).json()[
        "status"
    ] == "CANCELLED"
    (later,) = await server.submit([job(type="sleep", payload={"delayMs": 400})])
    # by then the cancelled run has ended, too, and its result came to nothing
    await server.job_when(later, "COMPLETED")
    assert (await server.job(job_id))["status"] == "CANCELLED"


async def test_a_delayed_job_waits_for_its_time(server: Server) -> None:
    (delayed,) = await server.submit([job(delayMs=600)])
    (at,) = await server.submit([job(runAt="2020-01-01T00:00:00+02:00")])
    assert (await server.job_when(at, "COMPLETED"))["runAt"] == "2019-12-31T22:00:00.000000Z"
    done = await server.job_when(delayed, "COMPLETED")
    assert done["startedAt"] >= done["runAt"] > done["createdAt"]


async def test_lower_priorities_run_first(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    from conftest import serving

    async with serving(database_url, redis_url, role="api") as api:
        await api.submit([job(priority=priority) for priority in (5, -5, 0)] * 4)
    async with serving(database_url, redis_url, role="worker", batch_size=1, slots=1):
        await eventually(lambda: db.fetchval("SELECT bool_and(status = 'COMPLETED') FROM jobs"))


async def test_jobs_inserted_by_sql_run(server: Server, db: asyncpg.Connection) -> None:
    job_id = await db.fetchval("""SELECT monoq_submit('acme', 'echo', '{"by": "sql"}')""")
    assert (await server.job_when(str(job_id), "COMPLETED"))["result"] == {"by": "sql"}
    plain = await db.fetchval(
        "INSERT INTO jobs (tenant_id, type) VALUES ('acme', 'nothing') RETURNING id"
    )
    await server.job_when(str(plain), "COMPLETED")
    with pytest.raises(asyncpg.CheckViolationError):
        await db.execute("SELECT monoq_submit('no spaces please', 'echo')")


async def test_health_says_what_it_found(server: Server) -> None:
    answer = await server.http.get("/health")
    assert (answer.status_code, json.loads(answer.text)) == (
        200,
        {"status": "ok", "database": "ok", "queue": "ok"},
    )


async def test_tenants_are_counted_apart(server: Server) -> None:
    await server.submit(
        [job(delayMs=3_600_000), job(delayMs=3_600_000), job(tenantId="b", delayMs=3_600_000)]
    )
    tenants = (await server.http.get("/tenants")).json()["tenants"]
    assert {tenant["id"]: tenant["counts"]["PENDING"] for tenant in tenants} == {"acme": 2, "b": 1}


async def test_tenants_come_in_pages(server: Server) -> None:
    await server.submit([job(tenantId=f"t{n}", delayMs=3_600_000) for n in range(7)])
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        answer = (await server.http.get("/tenants", params={"limit": 3, "cursor": cursor})).json()
        assert len(answer["tenants"]) <= 3
        seen += [tenant["id"] for tenant in answer["tenants"]]
        cursor = answer["nextCursor"]
    assert seen == [f"t{n}" for n in range(7)]
    assert (await server.http.get("/tenants", params={"limit": 0})).status_code == 422


async def test_the_age_of_the_oldest_due_job_is_told_by_tenant_and_for_all(
    server: Server, db: asyncpg.Connection
) -> None:
    jobs = (
        "INSERT INTO jobs (tenant_id, type, priority, run_at) "
        "VALUES ($1, 'nobody-runs-this', $2, now() - $3 * interval '1 s')"
    )
    for tenant_id, priority, due_for_s in (
        ("a", 0, 60),
        ("a", 7, 3600),
        ("a", -7, 1),
        ("b", 0, 10),
        ("later", 0, -3600),
    ):
        await db.execute(jobs, tenant_id, priority, due_for_s)

    async def told(**query: str) -> Any:
        answer = (await server.http.get("/stats", params=query)).json()
        return answer["counts"]["PENDING"], answer["oldestWaitingSeconds"]

    assert await told(tenantId="a") == (3, pytest.approx(3600, abs=20))
    assert await told(tenantId="b") == (1, pytest.approx(10, abs=20))
    assert await told(tenantId="later") == (1, None)
    assert await told(tenantId="nobody") == (0, None)
    assert await told() == (5, pytest.approx(3600, abs=20))
    tenants = {
        tenant["id"]: tenant["oldestWaitingSeconds"]
        for tenant in (await server.http.get("/tenants")).json()["tenants"]
    }
    assert tenants == {
        "a": pytest.approx(3600, abs=20),
        "b": pytest.approx(10, abs=20),
        "later": None,
    }
