"""A TCP proxy in front of an engine's socket: it can cut, delay, and swallow, either way. It
understands nothing of what passes.

What is swallowed is swallowed whole, the end of a connection included: so a host looks that has
lost its power.
"""

import asyncio
import contextlib
from typing import Literal

Way = Literal["up", "down"]  # to the engine, from the engine


class Proxy:
    """Listens on a loopback port; all that is public here may be changed at any time."""

    def __init__(self, unix_socket: str) -> None:
        self.port = 0
        self.delay_s = 0.0  # both ways
        self.delay_down_s = 0.0  # of what the engine says, in addition
        self.swallow: set[Way] = set()
        self.refuse = False
        self._unix_socket = unix_socket
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse = True
        self._server.close()
        # of the loop, in which the connection that was accepted last comes to be served, and is
        # refused
        for _round in range(3):
            await asyncio.sleep(0)
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def cut(self) -> None:
        """Breaks every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection
        self._connections.add(connection)
        self._writers.add(writer)
        try:
            if not self.refuse:
                await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy closes; asyncio on 3.11 would log a traceback for each connection
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._connections.discard(connection)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(self._unix_socket)
        except OSError:
            return
        self._writers.add(up_writer)
        try:
            await asyncio.gather(
                self._pass_on(reader, up_writer, "up"), self._pass_on(up_reader, writer, "down")
            )
        finally:
            up_writer.transport.abort()
            self._writers.discard(up_writer)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if delay_s := self.delay_s + (self.delay_down_s if way == "down" else 0):
                    await asyncio.sleep(delay_s)
                if way not in self.swallow:
                    writer.write(data)
                    await writer.drain()
        if way not in self.swallow:
            writer.transport.abort()
