"""`python -m monoq.bench.receiver`: a receiver of webhooks on all addresses of 127.0.0.0/8, each an
endpoint of its own; those of 127.8.0.0/16 are dead: they accept and never answer. Prints its
port."""

import asyncio

DEAD = "127.8."
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class _Receiver(asyncio.Protocol):
    """Knows just enough of HTTP: a head, and a body of Content-Length."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._is_dead = transport.get_extra_info("sockname")[0].startswith(DEAD)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._is_dead:
            return
        length = head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0]
        if len(body) >= int(length or 0):
            self._received = b""
            self._transport.write(ANSWER)


async def main() -> None:
    """Serves until it is killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Receiver, "0.0.0.0", 0, backlog=4096)  # noqa: S104 - a benchmark
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
