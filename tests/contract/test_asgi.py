"""`monoq.asgi:app` in a server of somebody else's: it must start, serve, and end like `monoq serve
--role=api`."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
import websockets
from conftest import eventually

from monoq.asgi import Application
from monoq.upkeep.counter import Counter

COMMANDS = {
    "hypercorn": ["--bind", "127.0.0.1:{port}"],
    "uvicorn": ["--port", "{port}", "--lifespan", "on"],
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(by: str, port: int, database_url: str, redis_url: str) -> "subprocess.Popen[str]":
    flags = [flag.format(port=port) for flag in COMMANDS[by]]
    environment = os.environ | {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_START_TIMEOUT": "0",
    }
    return subprocess.Popen(
        [sys.executable, "-m", by, *flags, "monoq.asgi:app"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


@asynccontextmanager
async def served(
    by: str, database_url: str, redis_url: str
) -> AsyncIterator[tuple["subprocess.Popen[str]", httpx.AsyncClient]]:
    port = free_port()
    process = start(by, port, database_url, redis_url)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            yield process, http
    finally:
        process.kill()
        process.communicate()


async def is_up(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health")).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("by", COMMANDS)
async def test_any_asgi_server_can_serve_the_api(
    by: str, database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    async with served(by, database_url, redis_url) as (process, http):
        await eventually(lambda: is_up(http))
        answer = await http.post("/jobs", json={"tenantId": "acme", "type": "echo"})
        assert answer.status_code == 201
        assert await db.fetchval("SELECT count(*) FROM jobs") == 1
        assert (await http.get("/health", headers={"Host": "elsewhere.example"})).status_code == 421
        async with websockets.connect(f"ws://{http.base_url.netloc.decode()}/ws") as viewer:
            await viewer.send('{"type": "SUBSCRIBE", "tenantId": "acme"}')
            process.send_signal(signal.SIGTERM)
            await viewer.wait_closed()
        await eventually(lambda: process.poll() is not None)
        assert process.returncode in (0, -signal.SIGTERM)


async def test_a_start_that_cannot_be_says_why(redis_url: str) -> None:
    async with served("uvicorn", "postgresql://127.0.0.1:1/none", redis_url) as (process, _):
        await eventually(lambda: process.poll() is not None, timeout=20)
        assert process.returncode == 3
        said = process.stderr.read() if process.stderr else ""
        assert "PostgreSQL" in said
        assert "Traceback" not in said


async def test_a_part_that_dies_ends_the_server(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(_: Counter) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Counter, "run", die)
    monkeypatch.setenv("MONOQ_DATABASE_URL", database_url)
    monkeypatch.setenv("MONOQ_REDIS_URL", redis_url)
    signals: asyncio.Queue[int] = asyncio.Queue()
    monkeypatch.setattr(os, "kill", lambda _, signum: signals.put_nowait(signum))
    told: list[str] = []
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        if told:
            assert await signals.get() == signal.SIGTERM
        return next(events)

    async def send(event: MutableMapping[str, Any]) -> None:
        told.append(event["type"])

    await Application()({"type": "lifespan"}, receive, send)
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_server_that_tells_of_no_start_is_told_what_is_missing() -> None:
    async def nothing(*_: Any) -> Any: ...

    with pytest.raises(RuntimeError, match="lifespan"):
        await Application()({"type": "http"}, nothing, nothing)
