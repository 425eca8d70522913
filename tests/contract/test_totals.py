"""The totals of all tenants, pushed to who subscribes to them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
import websockets
from conftest import FACT_TIMEOUT_S, Server
from tables import register

TOPIC = {"type": "SUBSCRIBE", "topic": "totals"}
LATER = "INSERT INTO jobs (tenant_id, type, run_at) SELECT 'b', 'echo', now() + interval '1 h'"


@pytest.fixture
async def socket(server: Server) -> AsyncIterator[websockets.ClientConnection]:
    async with websockets.connect(server.ws_url) as connection:
        yield connection


async def say(socket: websockets.ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: websockets.ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(FACT_TIMEOUT_S):
        return dict(json.loads(await socket.recv()))


async def hear_totals(socket: websockets.ClientConnection, **wanted: Any) -> dict[str, Any]:
    """The first totals that say this; those without counts only if that is what is wanted: a busy
    machine may take its time."""
    async with asyncio.timeout(FACT_TIMEOUT_S):
        while True:
            message = await hear(socket)
            if message["type"] != "TOTALS" or not wanted.items() <= message.items():
                continue
            if "counts" in message or "engines" in wanted:
                return message


async def test_totals_tell_what_all_tenants_have_and_what_the_workers_do(
    server: Server, db: asyncpg.Connection, socket: websockets.ClientConnection
) -> None:
    await say(socket, **TOPIC)
    welcome = await hear(socket)
    assert (welcome["type"], welcome["topic"]) == ("SUBSCRIBED", "totals")
    fields = ["at", "pending", "running", "completed", "failed", "cancelled"]
    assert welcome["history"]["fields"] == fields
    await db.execute(LATER)
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, run_at)"
        " SELECT 'c', 'nobody-does-this', now() - interval '1 h' FROM generate_series(1, 3)"
    )
    jobs = [{"tenantId": tenant, "type": "echo", "payload": 1} for tenant in ("a", "b")]
    await server.submit([*jobs, {"tenantId": "a", "type": "sleep", "payload": {"delayMs": 60_000}}])
    counts = {"PENDING": 4, "RUNNING": 1, "COMPLETED": 2, "FAILED": 0, "CANCELLED": 0}
    told = await hear_totals(socket, counts=counts)
    assert (told["due"], told["notDue"], told["notDueIsExact"]) == (3, 1, True)
    assert 3600 <= told["oldestWaitingSeconds"] < 3700
    assert told["workers"] == 1
    assert told["pools"]["loop"] == {"slots": 2000, "used": 1}
    assert told["withoutWorker"] == [{"type": "nobody-does-this", "due": 3}]
    assert told["engines"] == {"database": "ok", "queue": "ok"}
    assert abs(told["at"] / 1000 - time.time()) < 60
    await register(db, "nobody-does-this")
    assert (await hear_totals(socket, workers=2))["withoutWorker"] == []
    await db.execute("UPDATE workers SET draining = true")
    told = await hear_totals(socket, draining=2)
    assert told["pools"]["loop"] == {"slots": 0, "used": 1}, "what runs goes on"
    assert told["withoutWorker"] == [{"type": "nobody-does-this", "due": 3}]


async def test_totals_come_at_most_once_a_second_and_a_newcomer_sees_the_last_minutes(
    server: Server, socket: websockets.ClientConnection
) -> None:
    await say(socket, **TOPIC)
    heard = [(await hear_totals(socket))["at"] for _ in range(3)]
    # what a read takes varies on a busy machine, and with it when in its second it reads the clock
    assert all(after - before >= 500 for before, after in pairwise(heard))
    async with websockets.connect(server.ws_url) as other:
        await say(other, **TOPIC)
        samples = (await hear(other))["history"]["samples"]
        assert set(heard) <= {sample[0] for sample in samples}
        assert (await hear_totals(other))["at"] >= heard[-1], "the newest, at once"
        later = await hear_totals(other)
        assert await hear_totals(socket, at=later["at"]) == later, "both are told the same"


async def test_whoever_unsubscribes_hears_no_more(
    server: Server, socket: websockets.ClientConnection
) -> None:
    await say(socket, **TOPIC)
    await hear_totals(socket)
    await say(socket, type="UNSUBSCRIBE", topic="totals")
    async with websockets.connect(server.ws_url) as other:
        await say(other, **TOPIC)
        for _ in range(2):
            await hear_totals(other)
    await say(socket, type="?")
    assert (await hear(socket))["type"] == "ERROR"


@pytest.mark.parametrize(
    ("message", "code", "named"),
    [
        ({"type": "SUBSCRIBE", "topic": "weather"}, "unknown_topic", "'weather'"),
        ({"type": "SUBSCRIBE", "topic": None}, "unknown_topic", "None"),
        ({"type": "WATCH", "topic": "totals"}, "invalid_message", "type"),
        ({**TOPIC, "tenantId": "acme"}, "invalid_message", "exclude"),
    ],
)
async def test_what_is_no_topic_is_refused(
    socket: websockets.ClientConnection, message: dict[str, Any], code: str, named: str
) -> None:
    await say(socket, **message)
    answer = await hear(socket)
    assert (answer["type"], answer["code"]) == ("ERROR", code)
    assert named in answer["message"]
    await say(socket, **TOPIC)
    assert (await hear(socket))["type"] == "SUBSCRIBED", "the socket lives on"


async def test_while_postgres_does_not_answer_that_is_what_is_told(
    db: asyncpg.Connection, socket: websockets.ClientConnection
) -> None:
    await say(socket, **TOPIC)
    await hear_totals(socket)
    async with db.transaction():
        await db.execute("LOCK TABLE job_totals IN ACCESS EXCLUSIVE MODE")
        engines = {"database": "no answer in time", "queue": "ok"}
        assert "counts" not in await hear_totals(socket, engines=engines)
    assert "counts" in await hear_totals(socket, engines={"database": "ok", "queue": "ok"})
