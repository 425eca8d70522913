"""An API is told to stop while it is in use: nobody who got through to it goes without
an answer."""

import asyncio
import contextlib
import json
import signal
from collections import Counter
from functools import partial
from pathlib import Path

import httpx
import pytest
import websockets
from conftest import eventually

from faults.load import JOB
from faults.member import Member
from faults.world import world


async def draining(http: httpx.AsyncClient, api: Member) -> None:
    async def says_so() -> bool:
        answer = await http.get(f"{api.url}/health", headers={"Connection": "close"})
        return answer.status_code == 503 and answer.json() == {"status": "draining"}

    await eventually(says_so)


async def test_a_stopping_api_answers_until_its_drain_is_over_and_then_ends_well(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, apis=1, MONOQ_DRAIN="1.5", MONOQ_SHUTDOWN_TIMEOUT="5") as running:
        (api,) = running.apis
        async with httpx.AsyncClient(base_url=api.url, trust_env=False) as kept:
            assert (await kept.get("/stats?tenantId=acme")).status_code == 200
            async with websockets.connect(api.ws_url) as socket:
                api.send(signal.SIGTERM)
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await socket.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1012
            await draining(running.http, api)
            # before the handshake: a proxy can still ask another API
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(api.ws_url)
            assert refused.value.response.status_code == 503
            answer = await kept.post("/jobs", json=JOB)
            assert (answer.status_code, answer.headers["connection"]) == (201, "close")
            answer = await running.http.post(f"{api.url}/jobs", json=JOB)
            assert (answer.status_code, answer.headers["connection"]) == (201, "close")
        assert await asyncio.to_thread(api.process.wait, 10) == 0


async def test_an_answer_is_sent_in_one_piece(tmp_path: Path) -> None:
    """Whoever dies has answered or has not; a proxy can ask another only if nothing came."""
    async with world(tmp_path, apis=1) as running:
        api = running.apis[0]
        for path in ("/health", "/types", "/stats?tenantId=acme") * 30:
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            head, _, body = (await reader.read(1 << 16)).partition(b"\r\n\r\n")
            length = next(
                line.split(b":")[1]
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            assert len(body) == int(length), path
            writer.transport.abort()


@pytest.mark.alone
@pytest.mark.parametrize("stops", [1, pytest.param(3, marks=pytest.mark.soak)])
async def test_whoever_was_let_in_gets_an_answer_though_the_api_stops(
    tmp_path: Path, stops: int
) -> None:
    """Every request has a connection of its own, as when a proxy keeps none: to the end each is
    answered, or refused unread."""
    body = json.dumps(JOB).encode()
    outcomes: Counter[str] = Counter()

    async def ask(api: Member) -> str:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        except ConnectionRefusedError:
            return "refused"
        head = (
            "POST /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body)
            return (await reader.readuntil(b"\r\n")).decode().split()[1]
        except (ConnectionError, asyncio.IncompleteReadError):
            return "reset"
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def has_answered(count: int) -> bool:
        return outcomes.total() > count

    async def ask_on(api: Member) -> None:
        while (outcome := await ask(api)) != "refused":
            outcomes[outcome] += 1

    async with world(tmp_path, apis=1, MONOQ_DRAIN="0.2", MONOQ_SHUTDOWN_TIMEOUT="5") as running:
        for _ in range(stops):
            (api,) = running.apis
            asking = [asyncio.create_task(ask_on(api)) for _ in range(40)]
            enough = outcomes.total() + 100
            await eventually(partial(has_answered, enough))
            api.send(signal.SIGTERM)
            await asyncio.gather(*asking)
            assert await asyncio.to_thread(api.process.wait, 10) == 0
            await running.is_up(
                running.member("api", MONOQ_DRAIN="0.2", MONOQ_SHUTDOWN_TIMEOUT="5")
            )
        assert set(outcomes) == {"201"}, outcomes
        assert await running.value("SELECT count(*) FROM jobs") == outcomes["201"]
