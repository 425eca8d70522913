"""WebSocket clients that mean harm, on raw sockets: each is answered or cut, memory stays flat, and
the others are served."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually

from faults.hostile import BOMB, MB, its_end, others_are_served
from faults.load import JOB
from faults.member import Member
from faults.raw import CONTINUATION, FINAL, PACKED, PING, TEXT, Wire, frame, junk, wire
from faults.world import world

SUBSCRIBE = b'{"type":"SUBSCRIBE","tenantId":"acme"}'
Attack = Callable[[Wire], Coroutine[Any, Any, None]]


async def many_messages(client: Wire) -> None:
    for _ in range(10_000):
        if not await client.send(frame(SUBSCRIBE) * 100):
            return


async def one_huge_frame(client: Wire) -> None:
    await client.send(frame(b"", size=16 * MB))
    for _ in range(16 * 16):
        if not await client.send(junk(MB // 16)):
            return


async def tiny_fragments(client: Wire) -> None:
    await client.send(frame(b"x", TEXT))
    for _ in range(50):
        if not await client.send(frame(b"x", CONTINUATION) * 100):
            return


async def empty_fragments(client: Wire) -> None:
    await client.send(frame(b"", TEXT))
    for _ in range(500):
        if not await client.send(frame(b"", CONTINUATION) * 1000):
            return


async def large_fragments_without_end(client: Wire) -> None:
    await client.send(frame(b"x", TEXT))
    for _ in range(64):
        if not await client.send(frame(junk(MB), CONTINUATION)):
            return


async def a_packed_frame(client: Wire) -> None:
    for _ in range(4):
        await client.send(frame(BOMB, TEXT | FINAL | PACKED))


def once(data: bytes) -> Attack:
    async def send(client: Wire) -> None:
        await client.send(data)

    return send


FRAMES: dict[str, tuple[Attack, int]] = {
    "many messages": (many_messages, 1008),
    "a frame of 16 MB": (one_huge_frame, 1009),
    "thousands of fragments of one byte": (tiny_fragments, 1008),
    "half a million empty fragments": (empty_fragments, 1008),
    "a message of 64 MB in fragments": (large_fragments_without_end, 1009),
    "packed frames that nobody agreed on": (a_packed_frame, 1002),
    "a message a little too large": (once(frame(b"x" * 17_000)), 1009),
    "a binary message": (once(frame(SUBSCRIBE, 0x2 | FINAL)), 1003),
    "a frame without a mask": (once(bytes([TEXT | FINAL, 5]) + b"hello"), 1002),
    "a kind of frame that there is not": (once(frame(b"x", 0x3 | FINAL)), 1002),
    "a fragment of nothing": (once(frame(b"x", CONTINUATION | FINAL)), 1002),
    "a ping in pieces": (once(frame(b"x", PING)), 1002),
    "a ping of 200 bytes": (once(frame(b"x" * 200, PING | FINAL)), 1002),
    "a text that is not UTF-8": (once(frame(b"\xff\xfe")), 1007),
}


async def test_hostile_frames_are_answered_with_their_code_and_cut_while_others_are_served(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, apis=1, workers=1) as broken:
        (api,) = broken.apis

        async def probe(name: str) -> None:
            attack, code = FRAMES[name]
            async with wire(api.port) as client:
                assert "extensions" not in await client.upgrade(
                    "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                )
                attacking = asyncio.create_task(attack(client))
                with its_end(name):
                    assert await client.close_code() == code, name
                async with asyncio.timeout(10):
                    await attacking

        async with others_are_served(broken, api, 40):
            await asyncio.gather(*map(probe, FRAMES))
            async with wire(api.port) as client:  # what is unusual, but no harm, is borne
                await client.upgrade()
                await client.send(
                    frame(b"", PING | FINAL) * 5000
                    + frame(b'{"type":"SUBS', TEXT)
                    + frame(b'CRIBE"}', CONTINUATION | FINAL)
                )
                assert b"invalid_message" in await client.reader.readuntil(b"invalid_message")
        assert "Traceback" not in api.said()


@pytest.mark.long
async def test_a_viewer_whose_host_is_gone_is_let_go_and_one_that_is_only_silent_is_not(
    tmp_path: Path,
) -> None:
    """One host vanishes without a word. If there is news for it, that is noticed at once, else when
    the kernel asks, after 20 s."""
    async with world(tmp_path, apis=1, workers=1) as broken:
        (api,) = broken.apis
        busy, quiet = await _vanished(api, "acme"), await _vanished(api, "nobody")
        async with wire(api.port) as silent:
            await silent.upgrade()
            await broken.submit([JOB])
            await eventually(lambda: not api.is_connected_to(busy), timeout=5, every=0.1)
            await eventually(lambda: not api.is_connected_to(quiet), timeout=40, every=0.5)
            # it answers no ping, as there is none; its kernel answered for it
            assert api.is_connected_to(silent.own_port)
            await silent.send(frame(SUBSCRIBE))
            await broken.submit([JOB])
            await silent.reader.readuntil(b"COMPLETED")


async def _vanished(api: Member, tenant: str) -> int:
    """The port of a viewer whose socket was forgotten by its kernel, which sends no word of it."""
    async with wire(api.port) as client:
        await client.upgrade()
        await client.send(frame(SUBSCRIBE.replace(b"acme", tenant.encode())) + frame(b"{"))
        await client.reader.readuntil(b"invalid_json")
        # or the server would learn it from sending that answer again
        await eventually(lambda: _unacknowledged(api, client.own_port) == 0)
        kept = client.writer.get_extra_info("socket")
        try:
            kept.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR: from now on a close is silent
        except PermissionError:
            pytest.skip("a socket can be made to vanish by root only")
        return client.own_port


def _unacknowledged(api: Member, port: int) -> int | None:
    """How many bytes the API's kernel has yet to see acknowledged by this port."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if [int(address.split(":")[1], 16) for address in (local, remote)] == [api.port, port]:
            return int(queues.split(":")[0], 16)
    return None
