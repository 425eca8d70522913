"""The HTTP server of the API. At a stop it must let go of its clients before Hypercorn waits for
them."""

import asyncio
import logging
from typing import Any, Literal

from hypercorn.asyncio import serve

from monoq.api import uvicorn_server
from monoq.api.connections import max_backlog, max_connections
from monoq.api.guard import ASGIApp
from monoq.api.hypercorn_config import hypercorn_config
from monoq.api.hypercorn_patches import patch_hypercorn
from monoq.api.listener import empty_accept_queue, listen, url_of
from monoq.live.socket import MAX_MESSAGE_BYTES
from monoq.live.sockets import Sockets
from monoq.process.service import Service

log = logging.getLogger(__name__)

# for a connection without a request, and for the head of one; longer than nginx keeps its own to us
KEEP_ALIVE_S = 75
BODY_CHUNKS = 4  # of up to 64 KB that a request has read ahead
STOP_S = 3.0  # for each half of a stop, if the grace period has room for it
# Of connections that are not accepted yet; the kernel allows 4,096 unless net.core.somaxconn says
# more. With Hypercorn's 100, a burst of 500 clients gets in at 120 a second; with 2,048, a few of
# 10,000 WebSockets that came back at once got in after half a minute.
BACKLOG = 16_384


class ApiServer(Service):
    """Serves until `stop`. Then, for `drain_s` seconds, health answers 503, sockets are closed with
    "restarting", and each request is answered as the last one of its connection. After that no
    connection is accepted, and requests in progress are finished."""

    name = "api"

    def __init__(
        self,
        *,
        app: ASGIApp,
        sockets: Sockets,
        host: str,
        port: int,
        drain_s: float,
        grace_s: float,
        server: Literal["hypercorn", "uvicorn"] = "hypercorn",
    ) -> None:
        super().__init__()
        if server == "uvicorn":
            uvicorn_server.require()
        self._server = server
        self._app = app
        self._sockets = sockets
        self._drain_s = drain_s
        self._stop_s = min(STOP_S, (grace_s - drain_s) / 2)
        backlog = max_backlog(BACKLOG)
        self._socket = listen(host, port, backlog=backlog, settings="MONOQ_HOST, MONOQ_PORT")
        self.port: int = self._socket.getsockname()[1]

    async def run(self) -> None:
        log.info("the dashboard is at %s", url_of(self._socket))
        if self._server == "uvicorn":
            await self._serve_with_uvicorn()
        else:
            await self._serve_with_hypercorn()

    async def _serve_with_hypercorn(self) -> None:
        patch_hypercorn()
        config = hypercorn_config(stop_s=self._stop_s)
        config.backlog = max_backlog(BACKLOG)
        config.max_app_queue_size = BODY_CHUNKS
        config.keep_alive_timeout = KEEP_ALIVE_S
        config.read_timeout = (
            None  # a WebSocket may be silent; bodies have a time limit of their own
        )
        config.websocket_max_message_size = 2 * MAX_MESSAGE_BYTES
        self._listening = self._socket.detach()
        config.bind = [f"fd://{self._listening}"]  # from here on it is Hypercorn's to close
        app: Any = self._app  # Hypercorn's types of ASGI are narrower than ours
        await serve(app, config, shutdown_trigger=self._stopped, mode="asgi")

    async def _serve_with_uvicorn(self) -> None:
        self._listening = self._socket.fileno()
        await uvicorn_server.serve(
            self._app,
            self._socket,
            self._stopped,
            keep_alive_s=KEEP_ALIVE_S,
            stop_s=self._stop_s,
            max_message_bytes=2 * MAX_MESSAGE_BYTES,
            max_connections=max_connections(),
        )

    async def _stopped(self) -> None:
        await self.stopping.wait()
        self._sockets.close()
        await asyncio.gather(self._drain(), self._sockets.emptied(self._stop_s))

    async def _drain(self) -> None:
        await asyncio.sleep(self._drain_s)
        await empty_accept_queue(self._listening)
