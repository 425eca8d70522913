"""A keep-alive HTTP/1.1 connection that costs little: a client library's own time would be most of
what the benchmark shows. It must know just enough of HTTP to talk to our own server."""

import asyncio

from monoq.errors import MonoqError


class Connection(asyncio.Protocol):
    """One request at a time. Opens itself again when the server has closed it (Hypercorn does so
    every 1,000 requests)."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        return await self._send("POST", path, body)

    async def put(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        return await self._send("PUT", path, body)

    async def _send(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return await self._ask(head.encode() + body)

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        return await self._ask(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def close(self) -> None:
        """Ends the connection."""
        if self._transport:
            self._transport.close()

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        loop = asyncio.get_running_loop()
        if self._transport is None or self._transport.is_closing():
            self._transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        self._answered = loop.create_future()
        self._transport.write(request)
        return await self._answered

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._answered is None:
            return
        head = bytes(self._received[:end]).lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0])
        if len(self._received) < end + 4 + length:
            return
        body = bytes(self._received[end + 4 :])
        self._received.clear()
        if b"\r\nconnection: close" in head and self._transport:
            self._transport.close()
        self._answered.set_result((int(head[9:12]), body))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._answered and not self._answered.done():
            self._answered.set_exception(MonoqError(f"the server closed the connection: {error}"))
