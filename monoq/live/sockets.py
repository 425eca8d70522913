"""All WebSockets of this process: the ASGI application behind `/ws`. At a stop it must close every
socket, so that clients connect to another process."""

import asyncio

from monoq.live.hub import Hub
from monoq.live.socket import RESTART, Event, Receive, Send, Socket
from monoq.live.subscription import Replays
from monoq.live.totals import TotalsBoard
from monoq.live.turns import Turns
from monoq.observe.metrics import Metrics

PATIENCE_S = 2.0  # at a start, the first horizon is known within milliseconds if Postgres answers


class Sockets:
    """Makes a Socket of each connection, and counts the open ones."""

    def __init__(self, hub: Hub, replays: Replays, totals: TotalsBoard, metrics: Metrics) -> None:
        self._hub = hub
        self._replays = replays
        self._totals = totals
        self._metrics = metrics
        self._turns = Turns()
        metrics.sockets_open.set_function(lambda: len(self._open))
        self._open: set[Socket] = set()
        self._closing = False
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        if self._closing or not await self._hub.can_vouch(PATIENCE_S) or self._closing:
            # An HTTP response, so that a proxy tries another process before the client notices.
            await receive()
            headers = [(b"content-length", b"0"), (b"connection", b"close"), (b"retry-after", b"1")]
            await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        socket = Socket(self._hub, self._replays, self._totals, self._turns, receive, send)
        self._open.add(socket)
        try:
            self._metrics.socket_closed(await socket.serve())
        finally:
            self._open.discard(socket)
            if not self._open:
                self._emptied.set()

    def close(self) -> None:
        """Closes every socket: this process stops."""
        self._closing = True
        for socket in self._open:
            socket.close(RESTART, "restarting")

    async def emptied(self, timeout: float) -> None:
        """Returns when no socket is left, or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while self._open:
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            pass
