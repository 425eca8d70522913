"""WebSocket clients with cursors, light enough for thousands in one process. They keep what they
know over lost connections, and count what must not happen; they trust nothing else."""

import asyncio
import base64
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from typing import Any, cast

import orjson

MASK = b"\0\0\0\0"


@lru_cache(maxsize=2_000)
def _parsed(text: bytes) -> dict[str, Any]:
    """All viewers of a tenant hear the same text."""
    return dict(orjson.loads(text))


class Memory:
    """What one client knows, however often it is cut off."""

    def __init__(self, tenant_id: str = "acme") -> None:
        self.tenant_id = tenant_id
        self.cursor: str | None = None
        self.versions: dict[str, int] = {}
        self.statuses: dict[str, str] = {}
        self.resets = self.regressions = self.frames = 0
        self.caught_up_at = 0.0  # when the last replay, or the first subscription, was through
        self._told = ""

    def connected(self) -> None:
        self._told = "nothing"

    def hear(self, text: bytes) -> None:
        self.frames += 1
        message = _parsed(text)
        kind = message.get("type")
        if kind == "RESET":
            self.resets += 1
        elif kind not in {"SUBSCRIBED", "UPDATES"}:
            raise AssertionError(f"a message of another kind: {message}")
        assert message["tenantId"] == self.tenant_id
        for update in message.get("updates", ()):
            job_id, version = update["jobId"], update["version"]
            if version < self.versions.get(job_id, 0):
                self.regressions += 1
                continue
            self.versions[job_id] = version
            self.statuses[job_id] = update["status"]
        if kind == "UPDATES" and "cursor" in message and self._told == "nothing":
            self._told, self.caught_up_at = "all that was missed", time.monotonic()
        self.cursor = message.get("cursor", self.cursor)


_same: dict[bytes, bytes] = {}  # what many were told is kept once


class Recorder:
    """One of thousands: keeps what it was told as it came, for `judge`; to understand it at once
    would cost more than to be sent it."""

    def __init__(self, tenant_id: str = "acme") -> None:
        self.tenant_id = tenant_id
        self.cursor: str | None = None
        self.told: list[bytes] = []
        self.caught_up_at = 0.0
        self._catching_up = False

    def connected(self) -> None:
        self._catching_up = True

    def hear(self, text: bytes) -> None:
        self.told.append(_same.setdefault(text, text))
        if cursor := _CURSOR(text, max(len(text) - 200, 0)):
            self.cursor = cursor[1].decode()
            if self._catching_up and text.startswith(b'{"type":"UPDATES"'):
                self._catching_up, self.caught_up_at = False, time.monotonic()


_CURSOR = re.compile(rb'"cursor":"([^"]+)"}$').search


@cache
def _understood(text: bytes) -> tuple[dict[str, int], frozenset[str], bool]:
    """Versions, jobs that have ended, whether it is a RESET."""
    message = orjson.loads(text)
    assert message["type"] in {"SUBSCRIBED", "UPDATES", "RESET"}, message
    updates = message.get("updates", ())
    ended = frozenset(update["jobId"] for update in updates if update["status"] == "COMPLETED")
    return (
        {update["jobId"]: update["version"] for update in updates},
        ended,
        message["type"] == "RESET",
    )


def judge(recorders: Iterable[Recorder], ids: Collection[str]) -> Counter[str]:
    """How many viewers did not hear the end of a job ("gaps"), how often one was sent away
    ("resets"), or back to a lower version."""
    found: Counter[str] = Counter()
    alike = Counter(tuple(recorder.told) for recorder in recorders)
    for told, viewers in alike.items():
        versions: dict[str, int] = {}
        ended: set[str] = set()
        for text in told:
            news, ends, reset = _understood(text)
            found["resets"] += reset * viewers
            found["regressions"] += viewers * sum(
                version < versions.get(job_id, 0) for job_id, version in news.items()
            )
            versions.update(news)
            ended |= ends
        found["gaps"] += viewers * (not ended.issuperset(ids))
    return found


class Connection(asyncio.Protocol):
    """One connection of a client; cut after `frames` frames, or after `bytes_read` bytes, if these
    are given."""

    def __init__(
        self,
        memory: Memory | Recorder,
        port: int,
        *,
        frames: int | None = None,
        bytes_read: int | None = None,
    ) -> None:
        self.memory = memory
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._port = port
        self._frames_left = frames
        self._most_bytes = bytes_read
        self.bytes_read = 0  # of frames
        self._buffer = bytearray()
        self._shook_hands = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.memory.connected()
        key = base64.b64encode(os.urandom(16)).decode()
        handshake = (
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        self.transport.write(handshake.encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._shook_hands:
            if (end := self._buffer.find(b"\r\n\r\n")) < 0:
                return
            assert self._buffer.startswith(b"HTTP/1.1 101"), bytes(self._buffer[:200])
            del self._buffer[: end + 4]
            self._shook_hands = True
            said = {
                "type": "SUBSCRIBE",
                "tenantId": self.memory.tenant_id,
                "batch": True,
                "cursor": self.memory.cursor,
            }
            self._send(json.dumps(said).encode())
            self.bytes_read -= len(data) - len(self._buffer)
        self.bytes_read += len(data)
        too_many = self.bytes_read - self._most_bytes if self._most_bytes is not None else 0
        if too_many > 0:
            del self._buffer[-too_many:]
        self._read_frames()
        if too_many > 0:
            self.transport.abort()

    def _read_frames(self) -> None:
        while self._frames_left != 0 and (frame := self._next_frame()) is not None:
            opcode, body = frame
            if opcode == 8:
                self.transport.abort()
            elif opcode == 1:
                self.memory.hear(body)
                if self._frames_left is not None:
                    self._frames_left -= 1
        if self._frames_left == 0:
            self.transport.abort()

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        assert buffer[0] & 0x80, "in fragments"
        size, start = buffer[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start])
        if len(buffer) < start + size:
            return None
        frame = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return frame

    def _send(self, text: bytes) -> None:
        size = (
            bytes([0x80 | len(text)])
            if len(text) < 126
            else bytes([0x80 | 126]) + len(text).to_bytes(2)
        )
        self.transport.write(b"\x81" + size + MASK + text)

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def connect(memory: Memory | Recorder, port: int, **cut: int) -> Connection:
    """A connection that has asked for what is new to this memory."""
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(memory, port, **cut), "127.0.0.1", port
    )
    return connection


async def stay(memory: Memory | Recorder, ports: list[int]) -> None:
    """Stays connected to one of the ports, the first while it lasts, with the back-off of our own
    clients."""
    tries = failures = 0
    while True:
        try:
            connection = await connect(memory, ports[tries % len(ports)])
            failures = 0
            await connection.closed
        except OSError:
            failures += 1
        tries += 1
        await asyncio.sleep(min(0.5 * 2**failures, 10) * random.uniform(0.5, 1))
