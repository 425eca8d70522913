"""What running jobs say of themselves: progress and logs, in the database and on the socket."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import websockets
from conftest import Server, eventually, serving

from contract.processes import call
from monoq import Client

APP = "handlers_that_report:app"


@pytest.fixture
async def server(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    monkeypatch.setenv("TEST_DATABASE_URL", database_url)
    async with serving(database_url, redis_url, app=APP) as running:
        yield running


async def log_of(server: Server, job_id: str, **query: Any) -> dict[str, Any]:
    answer = await server.http.get(f"/jobs/{job_id}/log", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def lines_of(server: Server, job_id: str, last: str) -> list[Any]:
    """The whole log, once this line is in it."""

    async def lines() -> list[Any] | None:
        log = await log_of(server, job_id)
        return log["lines"] if any(last in one["text"] for one in log["lines"]) else None

    return list(await eventually(lines))


@pytest.mark.parametrize("job_type", ["speaks", "speaks-in-thread", "speaks-apart"])
async def test_a_job_shows_its_progress_and_its_log(server: Server, job_type: str) -> None:
    (job_id,) = await server.submit(
        [{"tenantId": "acme", "type": job_type, "payload": {"lines": 3}}]
    )
    lines = await lines_of(server, job_id, "odd")
    assert [one["text"] for one in lines] == ["line 0", "line 1", "line 2", "odd � ? values"]
    assert [one["fields"] for one in lines] == [
        {"n": 0},
        {"n": 1},
        {"n": 2},
        {"what": "Odd", "number": "nan"},
    ]
    assert [one["attempt"] for one in lines] == [1] * 4
    job = await server.job_when(job_id, "COMPLETED")
    assert (job["progress"]["fraction"], job["progress"]["text"]) == (1.0, "done")
    page = await log_of(server, job_id, limit=2)
    assert page["lines"] == lines[:2]
    assert (await log_of(server, job_id, after=page["next"]))["lines"] == lines[2:]
    end = lines[-1]["offset"]
    assert await log_of(server, job_id, after=end) == {"lines": [], "next": end}
    assert (await server.http.get(f"/jobs/{job_id}/log?after=x")).status_code == 422
    unknown = "00000000-0000-0000-0000-000000000000"
    assert (await server.http.get(f"/jobs/{unknown}/log")).status_code == 404


@pytest.mark.parametrize("job_type", ["speaks", "speaks-apart"])
async def test_a_log_keeps_its_last_thousand_lines(server: Server, job_type: str) -> None:
    (job_id,) = await server.submit(
        [{"tenantId": "acme", "type": job_type, "payload": {"lines": 30_000}}]
    )
    await lines_of(server, job_id, "odd")

    async def trimmed() -> list[Any] | None:
        lines = (await log_of(server, job_id))["lines"]
        return lines if len(lines) <= 1000 and lines[-1]["text"].startswith("odd") else None

    lines = await eventually(trimmed)
    assert [one["text"] for one in lines[-3:-1]] == ["line 29998", "line 29999"]


async def test_a_job_that_says_nothing_leaves_no_row(
    server: Server, db: asyncpg.Connection
) -> None:
    (job_id,) = await server.submit([{"tenantId": "acme", "type": "echo"}])
    assert (await server.job_when(job_id, "COMPLETED"))["progress"] is None
    assert (await log_of(server, job_id))["lines"] == []
    for table in ("job_progress", "job_log_lines"):
        assert await db.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_rows_go_with_their_job(server: Server, db: asyncpg.Connection) -> None:
    (job_id,) = await server.submit(
        [{"tenantId": "acme", "type": "speaks", "payload": {"lines": 1}}]
    )
    await lines_of(server, job_id, "odd")
    await server.job_when(job_id, "COMPLETED")
    await db.execute("DELETE FROM jobs")
    for table in ("job_progress", "job_log_lines"):
        assert await db.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_a_viewer_gets_progress_of_a_tenant_and_the_lines_of_the_job_it_asks_for(
    server: Server,
) -> None:
    async with websockets.connect(server.ws_url) as socket:
        subscribe = {"type": "SUBSCRIBE", "tenantId": "acme", "batch": True, "progress": True}
        await socket.send(json.dumps(subscribe))
        assert json.loads(await socket.recv())["type"] == "SUBSCRIBED"
        job = {"tenantId": "acme", "type": "speaks", "payload": {"lines": 2, "waits": 0.3}}
        (first,) = await server.submit([job])
        told = await _progress(socket)
        assert told["jobId"] == first
        assert told["progress"]["text"] == "done"
        assert "lines" not in told
        (second,) = await server.submit([job | {"delayMs": 500}])
        await socket.send(json.dumps(subscribe | {"log": second}))
        told = await _progress(socket)
        while "lines" not in told:
            told = await _progress(socket)
        assert told["jobId"] == second
        lines = [one["text"] for one in told["lines"]]
        while len(lines) < 3:
            more = await _progress(socket)
            assert more["logBefore"] == told["logEnd"]
            lines += [one["text"] for one in more["lines"]]
            told = more
        assert lines == ["line 0", "line 1", "odd � ? values"]
        assert told["logEnd"] == (await log_of(server, second))["next"]


async def _progress(socket: Any) -> dict[str, Any]:
    while True:
        message = json.loads(await socket.recv())
        if message["type"] == "PROGRESS":
            return dict(message)


async def test_a_plain_function_sees_that_its_job_was_cancelled(server: Server) -> None:
    (job_id,) = await server.submit([{"tenantId": "acme", "type": "looks"}])
    await lines_of(server, job_id, "looking")
    assert (await server.http.post(f"/jobs/{job_id}/cancel")).status_code == 200
    await lines_of(server, job_id, "cancelled")


async def test_the_client_and_the_command_line_show_the_log(server: Server, tmp_path: Path) -> None:
    job = {"tenantId": "acme", "type": "speaks", "payload": {"lines": 1, "waits": 1.0}}
    (job_id,) = await server.submit([job])
    shown = await call(
        "jobs", "log", job_id, "--follow", "--url", server.url, cwd=tmp_path, settings={}
    )
    assert [line.split(" ", 1)[1] for line in shown.splitlines()] == [
        'line 0 {"n": 0}',
        'odd � ? values {"what": "Odd", "number": "nan"}',
    ]
    async with Client(server.url) as client:
        first = await client.log(job_id, limit=1)
        assert [line["text"] for line in first["lines"]] == ["line 0"]
        assert len((await client.log(job_id, after=first["next"]))["lines"]) == 1
