"""A receiver of webhooks on loopback: a real server that does what the path says."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

STATUS_TEXT = "told"


class Request(NamedTuple):
    """What came: `host` is the address that was connected to."""

    path: str
    headers: dict[str, str]
    body: bytes
    host: str
    at: float


class Peer:
    """Answers by the path: /ok, /status/503, /after/120 (with that Retry-After), /hang, /close,
    /redirect, /slow/0.5, /endless, /cookie. While `dead`, every connection hangs."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.dead = False
        self.port = 0
        self.connections = 0
        self.answering = 0
        self.most_at_once = 0
        self._closing = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def bodies(self, path: str) -> list[bytes]:
        return [request.body for request in self.requests if request.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            with contextlib.suppress(RuntimeError):  # the loop may be closed
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        host = writer.get_extra_info("sockname")[0]
        self.requests.append(Request(path, headers, body, host, time.time()))
        self.answering += 1
        self.most_at_once = max(self.most_at_once, self.answering)
        try:
            return await self._reply(writer, path)
        finally:
            self.answering -= 1

    async def _reply(self, writer: asyncio.StreamWriter, path: str) -> bool:
        _, kind, *rest = path.split("?", maxsplit=1)[0].split("/")
        more = ""
        status = 200
        if self.dead or kind == "hang":
            await self._closing.wait()
            return False
        match kind:
            case "status":
                status = int(rest[0])
            case "after":
                status, more = 503, f"Retry-After: {rest[0].replace('_', ' ')}\r\n"
            case "redirect":
                status, more = 307, f"Location: {self.url('/ok')}\r\n"
            case "slow":
                await asyncio.sleep(float(rest[0]))
            case "close":
                return False
            case "endless":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
                    await writer.drain()
        writer.write(
            f"HTTP/1.1 {status} {STATUS_TEXT}\r\n{more}Content-Length: 6\r\n\r\nsecret".encode()
        )
        await writer.drain()
        return True

    async def close(self) -> None:
        self._closing.set()
        for writer in list(self._open):
            writer.transport.abort()


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    """One that listens on all of 127.0.0.0/8: each address is an endpoint of its own."""
    one = Peer()
    server = await asyncio.start_server(one.serve, "0.0.0.0", 0, backlog=1000)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        await one.close()
