"""HTTP clients that mean harm, on raw sockets, straight to Hypercorn: each is answered or cut,
memory stays flat, others are served."""

import asyncio
import contextlib
import resource
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from conftest import eventually, serving

from faults.hostile import BOMB, MB, its_end, others_are_served
from faults.load import JOB
from faults.member import Member
from faults.raw import Wire, head, junk, wire
from faults.world import world
from monoq.api import intake
from monoq.api import server as api_server


async def a_declared_gigabyte(client: Wire) -> int:
    await client.send(head("POST", "/jobs", client.port, "Content-Length: 1073741824"))
    return await client.status(timeout=5)  # before a byte of it is sent


async def chunks_without_end(client: Wire, path: str, most: int) -> int:
    await client.send(head("POST", path, client.port, "Transfer-Encoding: chunked"))
    chunk = junk(64 * 1024)
    answer = asyncio.create_task(client.status())
    for sent in range(1 << 14):  # a gigabyte
        if answer.done() or not await client.send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"):
            assert sent * len(chunk) < most + 16 * MB  # and what the kernel's buffers hold
            break
    return await answer


CUT = 0  # in the middle of what it sent: then a client may not see the answer
REQUESTS: dict[str, tuple[Callable[[Wire], Awaitable[int]], set[int]]] = {
    "a declared gigabyte": (a_declared_gigabyte, {413}),
    "a gigabyte in chunks": (
        lambda client: chunks_without_end(client, "/jobs", 256 * 1024),
        {413, CUT},
    ),
    "a gigabyte in chunks for a batch": (
        lambda client: chunks_without_end(client, "/jobs/batch", 16 * MB),
        {413, CUT},
    ),
    "a gigabyte in chunks for nobody": (
        lambda client: chunks_without_end(client, "/nowhere", 0),
        {404, CUT},
    ),
}


def asked(data: Callable[[int], bytes]) -> Callable[[Wire], Awaitable[int]]:
    async def ask(client: Wire) -> int:
        answer = asyncio.create_task(client.status())
        await client.send(data(client.port))
        return await answer

    return ask


REQUESTS |= {
    "a header of 1 MB": (
        asked(lambda port: head("GET", "/health", port, "X: " + "x" * MB)),
        {431, 400},
    ),
    "ten thousand headers": (
        asked(lambda port: head("GET", "/health", port, *[f"X-{n}: x" for n in range(10_000)])),
        {431, 400},
    ),
    "a path of 1 MB": (asked(lambda port: head("GET", "/" + "x" * MB, port)), {431, 414, 400}),
    "a request line without end": (asked(lambda port: b"x" * MB), {431, 400}),
    "two lengths": (
        asked(
            lambda port: (
                head("POST", "/jobs", port, "Content-Length: 2", "Content-Length: 3") + b"{}"
            )
        ),
        {400},
    ),
    "a negative length": (
        asked(lambda port: head("POST", "/jobs", port, "Content-Length: -1")),
        {400},
    ),
    "a chunk of no size": (
        asked(
            lambda port: head("POST", "/jobs", port, "Transfer-Encoding: chunked") + b"zz\r\n{}\r\n"
        ),
        {400},
    ),
    "a packed body": (
        asked(
            lambda port: (
                head(
                    "POST",
                    "/jobs",
                    port,
                    f"Content-Length: {len(BOMB)}",
                    "Content-Encoding: deflate",
                    "Connection: close",
                )
                + BOMB
            )
        ),
        {400, 413, 415},
    ),
    "junk": (asked(lambda port: b"\0\xff\x16\x03\x01\r\n\r\n"), {400}),
}


async def test_hostile_requests_are_refused_or_cut_while_others_are_served(tmp_path: Path) -> None:
    async with world(tmp_path, apis=1, workers=1) as broken:
        (api,) = broken.apis

        async def probe(name: str) -> None:
            attack, statuses = REQUESTS[name]
            async with wire(api.port) as client:
                status = await attack(client)
                assert status in statuses, (name, status)
                with its_end(name):
                    await client.ended()

        async with others_are_served(broken, api, 60):
            await asyncio.gather(*map(probe, REQUESTS))
        assert "Traceback" not in api.said()


DRIP_S = 0.1  # between two bytes


async def test_a_head_or_a_body_that_comes_in_drops_is_not_waited_for(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The times are 75 s and 20 s; here they are shortened, in the same server."""
    monkeypatch.setattr(api_server, "KEEP_ALIVE_S", 2)
    monkeypatch.setattr(intake, "BODY_TIMEOUT_S", 2)

    async def drip(client: Wire, start: bytes) -> int:
        """One byte after the other, for as long as the server takes them."""
        began = time.monotonic()
        answer = asyncio.create_task(client.status())
        await client.send(start)
        for _ in range(200):
            if answer.done() or not await client.send(b"x"):
                break
            await asyncio.sleep(DRIP_S)
        status = await answer
        await client.ended()
        assert 1.5 < time.monotonic() - began < 12
        return status

    async with serving(database_url, redis_url, role="api") as server:
        port = server.port
        post = head("POST", "/jobs", port, "Content-Length: 100000")
        async with wire(port) as one, wire(port) as two, wire(port) as three:
            dripping = asyncio.gather(
                drip(one, b"GET / HTTP/1.1\r\nX:"), drip(two, post + b"{"), drip(three, b"")
            )
            while not dripping.done():
                assert (await server.http.get("/health")).status_code == 200
            assert tuple(await dripping) == (CUT, 408, CUT)


@pytest.mark.alone
@pytest.mark.parametrize("idle_ones", [2500, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_thousands_of_idle_connections_cost_little_and_hold_nobody_up(
    tmp_path: Path, idle_ones: int
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # ours, and inherited by the API
    many = min(idle_ones, hard - 1000)
    async with world(tmp_path, apis=1, workers=1) as broken:
        (api,) = broken.apis
        few = _descriptors(api) + 50
        async with others_are_served(broken, api, many * 40 * 1024 // MB + 20):
            for _ in range(2):  # the second time needs no more memory than the first
                idle = await asyncio.to_thread(
                    lambda: [
                        socket.create_connection(("127.0.0.1", api.port), 20) for _ in range(many)
                    ]
                )
                await eventually(lambda: _descriptors(api) >= many, every=0.1)
                assert (await broken.http.get(f"{api.url}/health")).status_code == 200
                for one in idle:
                    one.close()
                await eventually(lambda: _descriptors(api) < few, every=0.1)


def _descriptors(api: Member) -> int:
    """How many are open."""
    return int(psutil.Process(api.pid).num_fds())


async def test_a_process_out_of_descriptors_recovers_when_they_are_given_back(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, apis=1, workers=1) as broken:
        (api,) = broken.apis
        psutil.Process(api.pid).rlimit(psutil.RLIMIT_NOFILE, (100, 100))
        idle = [socket.create_connection(("127.0.0.1", api.port), 5) for _ in range(300)]
        await eventually(lambda: _descriptors(api) >= 95)
        for one in idle:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()

        async def accepted() -> bool:
            with contextlib.suppress(Exception):
                answer = await broken.http.post(f"{api.url}/jobs", json=JOB, timeout=2)
                return answer.status_code == 201
            return False

        await eventually(accepted)
        await broken.all_ended()
        assert api.alive
