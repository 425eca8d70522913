"""A monoq in this process, on a test's engines: its API, or its worker. It is built as `monoq
serve` builds it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from monoq.app.pool import Pool
from monoq.app.registry import App
from monoq.compose import root
from monoq.config import load_settings
from monoq.errors import ConfigError
from monoq.process.service import Service, supervise
from monoq.testing.engines import Engines

STOP_S = 5.0  # what still runs then goes back


@asynccontextmanager
async def serving(app: App, engines: Engines, *, worker: bool = True) -> AsyncIterator[str]:
    """Serves the API, and with it a worker, until the end of the block; yields the URL.

    Args:
        app: The handlers.
        engines: Of this test.
        worker: False: jobs wait, until `drain` runs them.

    >>> async with serving(app, monoq_engines) as url, monoq.Client(url) as client:
    ...     job = await client.wait(await client.submit("acme", greet, Greeting(name="Ada")))
    """
    from monoq.api.server import ApiServer

    async with running(app, engines, role="all" if worker else "api", port=0) as (services, _):
        yield next(
            f"http://127.0.0.1:{service.port}"
            for service in services
            if isinstance(service, ApiServer)
        )


@asynccontextmanager
async def running(
    app: App, engines: Engines, **settings: Any
) -> AsyncIterator[tuple[list[Service], "asyncio.Task[bool]"]]:
    """The services of a role while they run, and a task that ends early if one of them does."""
    chosen = load_settings(
        app=_path_of(app),
        database_url=engines.database_url,
        redis_url=engines.redis_url,
        shutdown_timeout=STOP_S,
        drain=0.0,
        # a test that is looked at in a debugger stands still
        watchdog=0.0,
        **settings,
    )
    stop = asyncio.Event()
    async with root.build(chosen, engines.database_url, engines.redis_url, own=app) as phases:
        supervised = asyncio.create_task(supervise(phases, stop, STOP_S))
        try:
            yield [service for phase in phases for service in phase], supervised
        finally:
            stop.set()
            await supervised


def _path_of(app: App) -> str:
    """Where a child process finds the App: `module:attribute`; "" if no handler is isolated."""
    for module_name, module in list(sys.modules.items()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is app and module_name != "__main__":
                return f"{module_name}:{name}"
    if isolated := app.types_of(Pool.CHILDREN):
        raise ConfigError(
            f"the handler {isolated[0]!r} is isolated: its App must be an attribute of a module"
        )
    return ""
