"""The same application on uvicorn (`monoq serve --server uvicorn`): several times the requests of
Hypercorn. It must get no settings that Hypercorn does not get; what uvicorn does not bound itself,
slow heads above all, is for the proxy in front of it."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from monoq.api.guard import ASGIApp
from monoq.errors import ConfigError


def require() -> None:
    """Raises ConfigError where it is not installed."""
    try:
        import httptools  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise ConfigError(
            "MONOQ_SERVER=uvicorn needs uvicorn: pip install 'monoq[uvicorn]'"
        ) from None


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    stopped: Callable[[], Awaitable[None]],
    *,
    keep_alive_s: int,
    stop_s: float,
    max_message_bytes: int,
    max_connections: int,
) -> None:
    """Serves on `listener`, which it closes, until `stopped()` returns."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Signals are the process's own to handle."""
            yield

        async def on_tick(self, counter: int) -> bool:
            return stopping.done() or await super().on_tick(counter)

    config: dict[str, Any] = {
        "http": "httptools",
        "ws": "websockets-sansio",
        "ws_max_size": max_message_bytes,
        "ws_per_message_deflate": False,
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "limit_concurrency": max_connections,  # beyond it, 503
        "timeout_keep_alive": keep_alive_s,
        "timeout_graceful_shutdown": max(1, round(stop_s)),
    }
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    stopping = asyncio.ensure_future(stopped())
    try:
        await Server(uvicorn.Config(app, **config)).serve(sockets=[listener])
    finally:
        stopping.cancel()
