"""GET /scaling: how many slots are needed, for autoscalers."""

from typing import Any

import asyncpg
from conftest import Server, eventually
from tables import register

INSERT = (
    "INSERT INTO jobs (tenant_id, type, run_at)"
    " SELECT 'acme', $1, now() + $2 * interval '1 s' FROM generate_series(1, $3)"
)


async def scaling(server: Server, **params: Any) -> dict[str, Any]:
    answer = await server.http.get("/scaling", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def need(server: Server, job_type: str, **params: Any) -> dict[str, Any]:
    types = (await scaling(server, **params))["types"]
    return next(one for one in types if one["type"] == job_type)


async def test_slots_follow_from_what_waits_and_how_long_a_run_takes(
    server: Server, db: asyncpg.Connection
) -> None:
    worker = await register(db, "render", "mail")
    await db.execute(INSERT, "render", 0.0, 100)
    unknown = {"slots": 1, "waiting": 100, "running": 0, "meanRunSeconds": None}
    assert await need(server, "render") == {"type": "render", **unknown}
    await db.execute("UPDATE workers SET run_s = '{0.5, NULL}' WHERE id = $1", worker)
    assert (await need(server, "render", targetWaitSeconds=10))["slots"] == 5
    assert (await need(server, "render", targetWaitSeconds=1))["slots"] == 50
    assert (await need(server, "render", targetWaitSeconds=0.1))["slots"] == 100, "one for each"
    assert (await need(server, "mail"))["slots"] == 0
    assert (await scaling(server, targetWaitSeconds=1))["slots"] == 50
    await db.execute(
        "UPDATE jobs SET status = 'RUNNING', worker_id = $1, deadline_at = now() + interval '1 h' "
        "WHERE id IN (SELECT id FROM jobs LIMIT 40)",
        worker,
    )
    assert await need(server, "render", targetWaitSeconds=10) == {
        "type": "render",
        "slots": 43,
        "waiting": 60,
        "running": 40,
        "meanRunSeconds": 0.5,
    }


async def test_what_is_not_due_needs_no_slot_yet(server: Server, db: asyncpg.Connection) -> None:
    await register(db, "render")
    await db.execute(INSERT, "render", 3600.0, 1000)
    assert (await need(server, "render"))["slots"] == 0
    await db.execute(INSERT, "render", 0.0, 3)
    assert (await need(server, "render"))["waiting"] == 3
    await db.execute(INSERT, "render", 0.0, 500)
    assert (await need(server, "render"))["waiting"] == 1503, "from 500 on all are counted"


async def test_workers_report_how_long_their_runs_take(server: Server) -> None:
    job = {"tenantId": "acme", "type": "sleep", "payload": {"delayMs": 200}}
    await server.submit([job] * 3)

    async def known() -> float | None:
        seconds = (await need(server, "sleep"))["meanRunSeconds"]
        return None if seconds is None else float(seconds)

    assert 0.2 <= await eventually(known) < 5


BAD_TARGETS: list[str] = ["0", "-1", "nan", "inf", "soon", "100000"]


async def test_a_bad_target_is_refused_and_named(server: Server) -> None:
    for target in BAD_TARGETS:
        answer = await server.http.get("/scaling", params={"targetWaitSeconds": target})
        assert answer.status_code == 422, (target, answer.text)
        assert answer.json()["errors"][0]["field"] == "targetWaitSeconds"
