"""Coming back with a cursor, as a viewer sees it: nothing is missed, or the viewer is told to read
the table."""

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import redis.asyncio
import websockets
from conftest import FACT_TIMEOUT_S, Server, eventually, serving

from monoq.changes import replayer
from monoq.live import subscription
from monoq.live.cursor import Cursor
from monoq.queue.keys import UPDATES
from monoq.upkeep import pruner

Socket = websockets.ClientConnection


@asynccontextmanager
async def subscribed(server: Server, tenant: str = "acme", **options: Any) -> Any:
    async with websockets.connect(server.ws_url) as socket:
        await socket.send(json.dumps({"type": "SUBSCRIBE", "tenantId": tenant, **options}))
        yield socket


async def hear(socket: Socket) -> dict[str, Any]:
    async with asyncio.timeout(FACT_TIMEOUT_S):
        return dict(json.loads(await socket.recv()))


async def fresh_cursor(server: Server, tenant: str = "acme") -> str:
    async with subscribed(server, tenant, cursor=None) as socket:
        answer = await hear(socket)
        assert answer == {"type": "SUBSCRIBED", "tenantId": tenant, "cursor": answer["cursor"]}
        return str(answer["cursor"])


def xid(cursor: str) -> int:
    """Below which transaction a cursor says that all has been seen."""
    parsed = Cursor.parse(cursor)
    assert parsed
    return parsed.xid


async def until_cursor(socket: Socket) -> tuple[list[dict[str, Any]], str]:
    """The updates up to the next cursor, packed or not."""
    updates: list[dict[str, Any]] = []
    while True:
        message = await hear(socket)
        updates += message["updates"] if message.get("type") == "UPDATES" else [message]
        if "cursor" in message:
            assert message["type"] == "UPDATES"
            return updates, message["cursor"]


@pytest.mark.parametrize("batch", [True, False])
async def test_who_comes_back_with_a_cursor_is_told_what_was_missed(
    server: Server, batch: bool
) -> None:
    await server.submit([{"tenantId": "acme", "type": "nothing"}] * 3)
    before = await fresh_cursor(server)
    async with subscribed(server, cursor=before, batch=batch) as socket:
        assert await hear(socket) == {"type": "SUBSCRIBED", "tenantId": "acme", "cursor": before}
        ids = set(await server.submit([{"tenantId": "acme", "type": "nothing"}] * 20))
        versions: dict[str, int] = {}
        cursor = before
        while any(versions.get(job_id, 0) < 3 for job_id in ids):
            message = await hear(socket)
            assert batch or not message.get("updates"), (
                "who did not ask for packed updates gets none"
            )
            for update in message.get("updates", [message]):
                assert update["version"] >= versions.get(update["jobId"], 0)
                versions[update["jobId"]] = update["version"]
            if "cursor" in message:
                assert xid(message["cursor"]) >= xid(cursor)
                cursor = message["cursor"]
    missed = await server.submit(
        [{"tenantId": "acme", "type": "nothing", "delayMs": 3_600_000}] * 700
    )
    await server.submit([{"tenantId": "other", "type": "nothing"}])
    async with subscribed(server, cursor=cursor, batch=batch) as socket:
        assert await hear(socket) == {"type": "SUBSCRIBED", "tenantId": "acme", "cursor": cursor}
        replayed, newest = await until_cursor(socket)
        assert set(missed) <= {update["jobId"] for update in replayed}
        assert {update["tenantId"] for update in replayed} == {"acme"}
        assert xid(newest) >= xid(cursor)


async def test_a_cursor_grows_while_nothing_happens(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "SILENT_CURSOR_S", 0.1)
    async with (
        subscribed(server, cursor=None) as following,
        subscribed(server, batch=True) as packed,
        subscribed(server) as plain,
    ):
        first = (await hear(following))["cursor"]
        assert await hear(packed) == {"type": "SUBSCRIBED", "tenantId": "acme"}
        for _ in range(2):
            message = await hear(following)
            assert message == {
                "type": "UPDATES",
                "tenantId": "acme",
                "updates": [],
                "cursor": message["cursor"],
            }
            assert xid(message["cursor"]) > xid(first)
            first = message["cursor"]
        await server.submit([{"tenantId": "acme", "type": "nothing", "delayMs": 3_600_000}])
        message = await hear(packed)
        assert set(message) == {"type", "tenantId", "updates"}, (
            "who did not ask for cursors gets none"
        )
        message = await hear(plain)
        assert message["version"] == 1
        assert "cursor" not in message


async def test_a_cursor_that_cannot_be_honoured_is_answered_with_a_reset(
    server: Server, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Cursor.parse(await fresh_cursor(server))
    assert good
    other = await fresh_cursor(server, "other")
    unusable = {
        "no text": 7,
        "a list": [],
        "empty": "",
        "unreadable": "x",
        "longer": f"{good}\n",
        "of another tenant": other,
        "of another stream": str(good._replace(stream="0" * 16)),
        "ahead": str(good._replace(xid=good.xid + 10**6)),
        "far ahead": str(good._replace(xid=2**63 - 1)),
        "beyond": str(good._replace(xid=2**70)),
    }

    async def is_reset(said: object, why: str) -> None:
        async with subscribed(server, cursor=said) as socket:
            answer = await hear(socket)
            if answer["type"] == "SUBSCRIBED":
                assert answer["cursor"] == said, why
                answer = await hear(socket)
            assert answer == {"type": "RESET", "tenantId": "acme", "cursor": answer["cursor"]}, why
            usable = Cursor.parse(answer["cursor"])
            assert usable, why
            assert usable.xid >= good.xid, why
            (job_id,) = await server.submit(
                [{"tenantId": "acme", "type": "nothing", "delayMs": 3_600_000}]
            )
            assert (await hear(socket))["jobId"] == job_id, (
                "and it is told what happens from now on"
            )

    for why, said in unusable.items():
        await is_reset(said, why)
    monkeypatch.setattr(replayer, "MAX_REPLAYED", 5)
    await is_reset(str(good), "too much has changed since")
    monkeypatch.undo()
    floor = await db.fetchval("UPDATE stream SET floor = pg_current_xact_id() RETURNING floor")

    async def is_told() -> bool:
        return xid(await fresh_cursor(server)) > int(floor)

    await eventually(is_told)  # who is not would be closed
    await is_reset(str(good), "jobs were deleted since")


async def test_who_is_away_for_longer_than_changes_are_kept_reads_anew_and_who_stays_does_not(
    database_url: str, redis_url: str, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruner, "PERIOD_S", 0.2)
    monkeypatch.setattr(pruner, "KEPT_S", 4.0)  # an API is a second or two behind
    async with serving(database_url, redis_url, role="api") as server:
        old = await fresh_cursor(server)
        async with subscribed(server, cursor=old, batch=True) as socket:
            assert (await hear(socket))["type"] == "SUBSCRIBED"
            first = await server.submit(
                [{"tenantId": "acme", "type": "nothing", "delayMs": 3_600_000}] * 3
            )
            told, _ = await until_cursor(socket)
            await eventually(lambda: db.fetchval("SELECT count(*) = 0 FROM job_changes"))
            async with subscribed(server, cursor=old) as other:
                assert await hear(other) == {
                    "type": "SUBSCRIBED",
                    "tenantId": "acme",
                    "cursor": old,
                }
                assert (await hear(other))["type"] == "RESET"
            (second,) = await server.submit(
                [{"tenantId": "acme", "type": "nothing", "delayMs": 3_600_000}]
            )
            while {update["jobId"] for update in told} != {*first, second}:
                message = await hear(socket)
                assert message["type"] == "UPDATES"
                told += message["updates"]


async def test_an_older_message_that_comes_after_a_replay_is_not_told(
    database_url: str, redis_url: str, cache: "redis.asyncio.Redis"
) -> None:
    """The process has never heard of the job: only the replay tells it how new the job is."""
    async with serving(database_url, redis_url, role="api") as server:
        start = await fresh_cursor(server)
        (job_id,) = await server.submit([{"tenantId": "acme", "type": "nothing"}])
        assert (await server.http.post(f"/jobs/{job_id}/cancel", json={})).status_code == 200
        async with (
            subscribed(server, cursor=start, batch=True) as socket,
            subscribed(server) as other,
        ):
            assert (await hear(socket))["type"] == "SUBSCRIBED"
            replayed, _ = await until_cursor(socket)
            assert {update["jobId"] for update in replayed} == {job_id}
            versions = [update["version"] for update in replayed]
            assert versions[-1] == 2
            assert versions == sorted(versions), (
                "its own messages may come late, but not after the replay"
            )
            told = {
                "tenantId": "acme",
                "status": "PENDING",
                "updatedAt": "2026-01-01T00:00:00Z",
                "workerId": None,
            }
            for version in (1, 2, 3):
                await cache.publish(
                    UPDATES, json.dumps(told | {"jobs": [[job_id, version, "nothing", 1, None]]})
                )
            assert [update["version"] for update in (await hear(socket))["updates"]] == [3]
            heard = [(await hear(other))["version"]]
            while heard[-1] != 3:
                heard.append((await hear(other))["version"])
            assert heard in ([2, 3], [3]), "2 is news to who was there when the replay was read"


async def test_a_second_subscribe_goes_on_from_its_cursor(server: Server) -> None:
    async with subscribed(server, cursor=None, batch=True) as socket:
        cursor = (await hear(socket))["cursor"]
        (job_id,) = await server.submit(
            [{"tenantId": "acme", "type": "nothing", "delayMs": 3_600_000}]
        )
        assert [update["jobId"] for update in (await hear(socket))["updates"]] == [job_id]
        await socket.send(json.dumps({"type": "SUBSCRIBE", "tenantId": "acme", "cursor": cursor}))
        assert await hear(socket) == {"type": "SUBSCRIBED", "tenantId": "acme", "cursor": cursor}
        assert (await hear(socket))["jobId"] == job_id
