"""The WebSocket, as a viewer sees it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio
import websockets
from conftest import FACT_TIMEOUT_S, Server, serving

from monoq.queue.keys import UPDATES


@pytest.fixture
async def socket(server: Server) -> AsyncIterator[websockets.ClientConnection]:
    async with websockets.connect(server.ws_url) as connection:
        yield connection


async def say(socket: websockets.ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: websockets.ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(FACT_TIMEOUT_S):
        return dict(json.loads(await socket.recv()))


async def tell(socket: websockets.ClientConnection, kind: str, tenant: str = "acme") -> None:
    """Says it and knows that it holds: a bad message after it is answered after it."""
    await say(socket, type=kind, tenantId=tenant)
    await say(socket, type="?")
    while (await hear(socket)).get("type") != "ERROR":
        pass


async def test_every_change_of_a_tenants_job_arrives_in_order(
    server: Server, socket: websockets.ClientConnection
) -> None:
    await tell(socket, "SUBSCRIBE")
    await server.submit([{"tenantId": "other", "type": "nothing"}])
    (job_id,) = await server.submit(
        [{"tenantId": "acme", "type": "sleep", "payload": {"delayMs": 200}}]
    )
    heard = [await hear(socket) for _ in range(3)]
    assert [one["status"] for one in heard] == ["PENDING", "RUNNING", "COMPLETED"]
    assert [one["version"] for one in heard] == [1, 2, 3]
    assert {one["jobId"] for one in heard} == {job_id}
    assert all("type" in one and one["tenantId"] == "acme" for one in heard)
    assert (await server.job(job_id))["updatedAt"] == heard[2]["updatedAt"]


async def test_a_client_that_says_no_more_gets_no_other_kind_of_message(
    server: Server, socket: websockets.ClientConnection
) -> None:
    await say(socket, type="SUBSCRIBE", tenantId="acme")
    await asyncio.gather(
        *[server.submit([{"tenantId": "acme", "type": "nothing"}]) for _ in range(5)]
    )
    finals: set[str] = set()
    while len(finals) < 5:
        update = await hear(socket)
        assert update["status"] in ("PENDING", "RUNNING", "COMPLETED")
        if update["status"] == "COMPLETED":
            finals.add(update["jobId"])


async def test_packed_updates_carry_the_same_changes(
    server: Server, socket: websockets.ClientConnection
) -> None:
    await say(socket, type="SUBSCRIBE", tenantId="acme", batch=True)
    assert await hear(socket) == {"type": "SUBSCRIBED", "tenantId": "acme"}
    ids = await server.submit([{"tenantId": "acme", "type": "nothing"} for _ in range(1500)])
    last: dict[str, dict[str, Any]] = {}
    while len(last) < 1500 or any(one["status"] != "COMPLETED" for one in last.values()):
        message = await hear(socket)
        assert (message["type"], message["tenantId"]) == ("UPDATES", "acme")
        for update in message["updates"]:
            assert update["version"] > last.get(update["jobId"], {"version": 0})["version"]
            last[update["jobId"]] = update
    assert set(last) == set(ids)
    page = (await server.http.get("/jobs", params={"tenantId": "acme", "limit": 500})).json()[
        "jobs"
    ]
    assert [job["updatedAt"] for job in page] == [last[job["id"]]["updatedAt"] for job in page], (
        "to the microsecond"
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "invalid_json"),
        ('{"type":"SUBSCRIBE"}', "invalid_message"),
        ('{"type":"SUBSCRIBE","tenantId":"no spaces"}', "invalid_message"),
        ('{"type":"JUMP","tenantId":"acme"}', "invalid_message"),
        ("[]", "invalid_message"),
        ("[" * 5000, "invalid_json"),
    ],
)
async def test_a_bad_message_is_told_and_the_socket_stays_open(
    server: Server, socket: websockets.ClientConnection, text: str, code: str
) -> None:
    await socket.send(text)
    error = await hear(socket)
    assert (error["type"], error["code"]) == ("ERROR", code)
    await say(socket, type="SUBSCRIBE", tenantId="acme")
    await server.submit([{"tenantId": "acme", "type": "nothing"}])
    assert (await hear(socket))["tenantId"] == "acme"


async def test_after_unsubscribe_nothing_comes(
    server: Server, socket: websockets.ClientConnection
) -> None:
    await tell(socket, "SUBSCRIBE", "acme")
    await tell(socket, "SUBSCRIBE", "other")
    await tell(socket, "UNSUBSCRIBE", "acme")
    await server.submit([{"tenantId": "acme", "type": "nothing"}])
    await server.submit([{"tenantId": "other", "type": "nothing"}])
    assert (await hear(socket))["tenantId"] == "other"


async def test_a_hundred_tenants_are_watched_at_once_and_then_a_hundred_others(
    server: Server, socket: websockets.ClientConnection
) -> None:
    first, then = ([f"{part}-{n}" for n in range(100)] for part in ("first", "then"))
    for tenant in first:
        await say(socket, type="SUBSCRIBE", tenantId=tenant)
    await say(socket, type="SUBSCRIBE", tenantId="one-more")
    assert (await hear(socket))["code"] == "too_many_subscriptions"
    for one, other in zip(first[:45], then, strict=False):
        await say(socket, type="UNSUBSCRIBE", tenantId=one)
        await say(socket, type="SUBSCRIBE", tenantId=other)
    await say(socket, type="SUBSCRIBE", tenantId="one-more")
    assert (await hear(socket))["code"] == "too_many_subscriptions"
    watched = set(first[45:] + then[:45])
    await server.submit(
        [{"tenantId": tenant, "type": "nothing", "delayMs": 60_000} for tenant in first + then]
    )
    assert {(await hear(socket))["tenantId"] for _ in watched} == watched


async def test_a_flood_of_messages_and_a_large_one_close_the_socket(server: Server) -> None:
    for flood, code in (["x"] * 250, 1008), (["x" * 20_000], 1009):
        async with websockets.connect(server.ws_url) as connection:
            for message in flood:
                await connection.send(message)
            with pytest.raises(websockets.ConnectionClosed) as closed:  # noqa: PT012
                while True:
                    await hear(connection)
            assert closed.value.rcvd
            assert closed.value.rcvd.code == code


async def test_foreign_pages_and_foreign_hosts_get_no_socket(server: Server) -> None:
    url = server.ws_url
    for origin in ("http://evil.example", "null"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url, origin=websockets.Origin(origin))
        assert refused.value.response.status_code == 403
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect("ws://evil.example/ws", host="127.0.0.1", port=server.port)
    assert refused.value.response.status_code == 403
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(f"ws://127.0.0.1:{server.port}/elsewhere")
    async with websockets.connect(
        url, origin=websockets.Origin(server.url), compression="deflate"
    ) as connection:
        assert "Sec-WebSocket-Extensions" not in (
            connection.response.headers if connection.response else {}
        )


async def test_old_versions_and_junk_on_the_channel_reach_nobody(
    server: Server, socket: websockets.ClientConnection, cache: "redis.asyncio.Redis"
) -> None:
    await tell(socket, "SUBSCRIBE")
    told = {
        "tenantId": "acme",
        "status": "COMPLETED",
        "updatedAt": "2026-01-01T00:00:00Z",
        "workerId": None,
    }
    for junk in (
        b"\xff",
        b"{",
        b"[]",
        b'{"tenantId": 1}',
        json.dumps(told | {"jobs": [["a"]]}),
        json.dumps(told | {"status": "?", "jobs": []}),
    ):
        await cache.publish(UPDATES, junk)
    for version in (3, 2, 3, 1, 4):
        await cache.publish(UPDATES, json.dumps(told | {"jobs": [["j", version, "echo", 1, None]]}))
    assert [(await hear(socket))["version"] for _ in range(2)] == [3, 4]


async def test_sockets_are_sent_elsewhere_when_the_server_stops(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, role="api") as server:
        connection = await websockets.connect(server.ws_url)
        await tell(connection, "SUBSCRIBE")
    with pytest.raises(websockets.ConnectionClosed) as closed:
        await connection.recv()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1012


async def test_changes_made_by_a_worker_elsewhere_arrive(database_url: str, redis_url: str) -> None:
    async with (
        serving(database_url, redis_url, role="api") as server,
        serving(database_url, redis_url, role="worker"),
        websockets.connect(server.ws_url) as connection,
    ):
        await tell(connection, "SUBSCRIBE")
        await server.submit([{"tenantId": "acme", "type": "nothing"}])
        while (await hear(connection))["status"] != "COMPLETED":
            pass
