"""Whether this process can do its work: for load balancers, Docker and people. It must answer quickly, whatever is broken."""

import asyncio
from collections.abc import Callable

from quart import Blueprint, Response

from monoq import codec
from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.queue.ready import Ready
from monoq.store.database import Database

DATABASE_TIMEOUT_S = 2.0


def health_blueprint(*, database: Database, ready: Ready, draining: Callable[[], bool]) -> Blueprint:
    """The route, over what it looks at."""
    health = Blueprint("health", __name__)

    @health.get("/health")
    async def get_health() -> Response:
        database_error, queue_error = await asyncio.gather(_database_error(), _queue_error())
        parts = {"database": database_error or "ok", "queue": queue_error or "ok"}
        if draining():
            return _answer(503, "draining", parts)
        if database_error:
            return _answer(503, "unavailable", parts)
        return _answer(200, "degraded" if queue_error else "ok", parts)

    async def _database_error() -> str | None:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S):
                await database.fetch("SELECT 1")
        except (DatabaseUnavailable, TimeoutError) as error:
            return str(error) or "no answer in time"
        return None

    async def _queue_error() -> str | None:
        try:
            await ready.ping()
        except QueueUnavailable as error:
            return str(error)
        return None

    return health


def _answer(status: int, word: str, parts: dict[str, str]) -> Response:
    return Response(codec.dumps({"status": word, **parts}), status, content_type="application/json")
