"""Bytes on a socket, as no well-behaved client sends them: WebSocket frames of any kind, and
requests cut anywhere."""

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TEXT, CONTINUATION, CLOSE, PING = 0x1, 0x0, 0x8, 0x9
FINAL, PACKED = 0x80, 0x40  # bits of a frame's first byte
MASK = b"\0\0\0\0"  # allowed, and nothing changes under it
CUT = 1006  # what RFC 6455 calls an end without a close frame


class Wire:
    """A TCP connection to a server, and what can be read of its answers."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.port = port

    @property
    def own_port(self) -> int:
        return int(self.writer.get_extra_info("sockname")[1])

    async def send(self, data: bytes) -> bool:
        """Whether the server still took it."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError:
            return False
        return not self.writer.transport.is_closing()

    async def upgrade(self, extra: str = "") -> str:
        """Makes it a WebSocket; returns the answer's head."""
        await self.send(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"{extra}\r\n".encode()
        )
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("HTTP/1.1 101 "), head
        return head

    async def close_code(self, timeout: float = 20) -> int:
        """Reads to the end; the code of the close frame, or CUT if there was none. TimeoutError if
        it does not end."""
        received = b""
        async with asyncio.timeout(timeout):
            with contextlib.suppress(OSError):
                while data := await self.reader.read(65536):
                    received += data
        while len(received) >= 2:
            kind, size, start = received[0] & 0xF, received[1] & 0x7F, 2
            if size == 126:
                size, start = struct.unpack(">H", received[2:4])[0], 4
            elif size == 127:
                size, start = struct.unpack(">Q", received[2:10])[0], 10
            if kind == CLOSE and size >= 2:
                return int(struct.unpack(">H", received[start : start + 2])[0])
            received = received[start + size :]
        return CUT

    async def status(self, timeout: float = 20) -> int:
        """The status of the next answer; 0 if the connection ended without one."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout(timeout):
                line = await self.reader.readuntil(b"\r\n")
                await self.reader.readuntil(b"\r\n\r\n")
                return int(line.split()[1])
        return 0

    async def ended(self, timeout: float = 20) -> None:
        """Returns when the server has closed; TimeoutError if it does not."""
        async with asyncio.timeout(timeout):
            with contextlib.suppress(OSError):
                while await self.reader.read(65536):
                    pass


@asynccontextmanager
async def wire(port: int, limit: int = 1 << 16) -> AsyncIterator[Wire]:
    """A connection; of what comes in and is not asked for, `limit` bytes or a little more are
    read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    try:
        yield Wire(reader, writer, port)
    finally:
        writer.transport.abort()


def frame(payload: bytes, first: int = TEXT | FINAL, size: int | None = None) -> bytes:
    """A masked frame; `size` may promise more than the payload."""
    size = len(payload) if size is None else size
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    return bytes([first]) + length + MASK + payload


def head(method: str, path: str, port: int, *headers: str) -> bytes:
    """The start of a request, blank line included."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def junk(size: int) -> bytes:
    return os.urandom(size // 2).hex().encode()
