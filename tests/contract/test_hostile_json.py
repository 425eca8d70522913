"""The hostile corpus through the API, through handlers' results and through handlers' errors:
nothing is a 5xx, nothing gets stuck, and what is let in comes out again as it went in."""

import asyncio
import json
from typing import Any

import asyncpg
import httpx
import pytest
import websockets
from conftest import Server, eventually, serving

from contract import corpus
from contract.hostile_handlers import AROUND, RAISED, REFUSED, RESULTS
from monoq import codec

AT_ONCE = 16
HANDLERS = ("hostile", "hostile-in-thread", "hostile-apart")


async def all_ended(db: asyncpg.Connection) -> None:
    await eventually(
        lambda: db.fetchval("SELECT count(*) = 0 FROM jobs WHERE status IN ('PENDING', 'RUNNING')"),
        timeout=60,
    )


async def read_everywhere(server: Server, db: asyncpg.Connection, job_id: str) -> dict[str, Any]:
    """The job as HTTP shows it, with Python's own parser; it must be what the table holds."""
    shown = json.loads((await server.http.get(f"/jobs/{job_id}")).content)
    row = await db.fetchrow(
        "SELECT payload::text, result::text FROM jobs WHERE id = $1::text::uuid", job_id
    )
    for name in ("payload", "result"):
        if row[name] is not None:
            assert codec.read(row[name]) == shown[name], job_id
    return dict(shown)


async def test_a_thousand_hostile_bodies_are_refused_or_come_back_unchanged(
    server: Server, db: asyncpg.Connection
) -> None:
    cases = corpus.cases()
    assert len(cases) >= 500
    assert len({case.name for case in cases}) > 0.9 * len(cases)
    ids: dict[str, corpus.Case] = {}
    waiting = iter(cases)

    async def post() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=20, trust_env=False) as http:
            for case in waiting:
                answer = await http.post(
                    "/jobs", content=case.body, headers={"content-type": "application/json"}
                )
                problem = f"{case.name}: {answer.status_code} {answer.text[:200]}"
                if case.accepted:
                    assert answer.status_code in (200, 201), problem
                    # 200: an idempotency key that was there before
                    ids.setdefault(answer.json()["jobId"], case)
                else:
                    assert answer.status_code in (400, 413, 422), problem
                    assert answer.json()["status"] == answer.status_code

    await asyncio.gather(*[post() for _ in range(AT_ONCE)])
    await all_ended(db)
    assert len(ids) > 150
    for job_id, case in ids.items():
        shown = await read_everywhere(server, db, job_id)
        assert shown["status"] == "COMPLETED", (case.name, shown["error"])
        assert shown["payload"] == shown["result"] == case.payload, case.name
        assert shown["attempts"] == 1
    listed = json.loads(
        (await server.http.get("/jobs", params={"tenantId": "acme", "limit": 500})).content
    )["jobs"]
    assert {one["id"] for one in listed} <= set(ids)


@pytest.mark.parametrize(
    "job_type",
    [
        pytest.param(one, marks=pytest.mark.soak if one == "hostile-in-thread" else [])
        for one in HANDLERS
    ],
)
async def test_whatever_a_handler_returns_or_raises_its_job_ends_and_can_be_read(
    database_url: str, redis_url: str, db: asyncpg.Connection, job_type: str
) -> None:
    returned = [["return", name, around] for name in RESULTS for around in AROUND]
    raised = [["raise", name] for name in RAISED]
    async with serving(database_url, redis_url, app="contract.hostile_handlers:app") as server:
        async with websockets.connect(server.ws_url, max_size=None) as socket:
            await socket.send(json.dumps({"type": "SUBSCRIBE", "tenantId": "acme", "batch": True}))
            assert json.loads(await socket.recv())["type"] == "SUBSCRIBED"
            payloads = returned + raised
            ids = await server.submit(
                [{"tenantId": "acme", "type": job_type, "payload": payload} for payload in payloads]
            )
            await all_ended(db)
            final: dict[str, dict[str, Any]] = {}
            while len(final) < len(ids):
                for update in json.loads(await socket.recv())["updates"]:
                    if update["status"] in ("COMPLETED", "FAILED", "CANCELLED"):
                        final[update["jobId"]] = update
        for job_id, payload in zip(ids, payloads, strict=True):
            shown = await read_everywhere(server, db, job_id)
            assert final[job_id]["status"] == shown["status"]
            assert final[job_id]["error"] == shown["error"]
            if payload[0] == "raise":
                assert shown["status"] == RAISED[payload[1]][1], (payload, shown)
                assert len(shown["error"]) <= 4096
                if shown["status"] == "FAILED":
                    assert shown["errors"][-1]["error"] == shown["error"]
            elif (expected := RESULTS[payload[1]][1]) is REFUSED:
                assert shown["status"] == "FAILED", payload
                assert shown["error"].startswith("the result is not JSON"), (
                    payload,
                    shown["error"],
                )
                assert shown["attempts"] == 1  # to run it again would bring the same
            else:
                assert shown["status"] == "COMPLETED", (payload, shown["error"])
                assert shown["result"] == AROUND[payload[2]][1](expected), payload
