"""The API as a plain ASGI application, for a server of your own choice: `uvicorn monoq.asgi:app`.
Settings come from the environment. The server must speak the lifespan protocol, and must itself
bound request heads and idle connections."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from monoq.api.guard import ASGIApp, Event
from monoq.compose.root import build, collect_seldom
from monoq.compose.start import engine_urls, require_schema
from monoq.config import Settings, load_settings
from monoq.errors import MonoqError
from monoq.live.sockets import Sockets
from monoq.process.service import Service, supervise

log = logging.getLogger(__name__)

SOCKETS_S = 3.0  # for viewers to leave


class _Served(Service):
    """Stands in for the server, which is not ours: at a stop it closes the open WebSockets, so that
    their clients connect elsewhere."""

    name = "api"

    def __init__(self, sockets: Sockets) -> None:
        super().__init__()
        self._sockets = sockets

    async def run(self) -> None:
        await self.stopping.wait()
        self._sockets.close()
        await self._sockets.emptied(SOCKETS_S)


class Application:
    """Builds the API when the server starts, and ends it when the server stops."""

    def __init__(self) -> None:
        self._api: ASGIApp | None = None

    async def __call__(
        self,
        scope: Event,
        receive: Callable[[], Awaitable[Event]],
        send: Callable[[Event], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._api is None:
            raise RuntimeError(
                "monoq.asgi:app needs a server that speaks the lifespan protocol"
                " (uvicorn: --lifespan on)"
            )
        else:
            await self._api(scope, receive, send)

    async def _live(
        self, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        await receive()
        phase = "startup"
        try:
            settings = load_settings(role="api")
            with engine_urls(settings) as (database_url, redis_url):
                await require_schema(settings, database_url)
                async with self._running(settings, database_url, redis_url):
                    await send({"type": "lifespan.startup.complete"})
                    phase = "shutdown"
                    await receive()
        except MonoqError as error:
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _running(
        self, settings: Settings, database_url: str, redis_url: str
    ) -> AsyncIterator[None]:
        stop = asyncio.Event()

        def serve_http(api: ASGIApp, sockets: Sockets) -> Service:
            self._api = api
            return _Served(sockets)

        def ended(_: "asyncio.Task[bool]") -> None:
            # a service is dead: a server that continues would return errors for ever
            if not stop.is_set():
                os.kill(os.getpid(), signal.SIGTERM)

        async with build(settings, database_url, redis_url, serve_http) as phases:
            collect_seldom()
            supervised = asyncio.create_task(supervise(phases, stop, settings.shutdown_timeout))
            supervised.add_done_callback(ended)
            try:
                yield
            finally:
                stop.set()
                await supervised


app = Application()
