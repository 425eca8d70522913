"""GET /health, for load balancers, Docker and people. It must answer quickly, whatever is
broken."""

import asyncio
from collections.abc import Awaitable, Callable

from quart import Blueprint, Response

from monoq import codec
from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.queue.ready import Ready
from monoq.store.database import Database
from monoq.store.workers import WorkerStore

ANSWER_WITHIN_S = 0.7


class Probe:
    """A check of an engine; requests that come while it runs share it. It is never cancelled,
    because a cancellation would wait for a frozen engine, too: a request that cannot wait gets no
    result."""

    def __init__(self, question: Callable[[], Awaitable[object]]) -> None:
        self._question = question
        self._asking: asyncio.Task[str | None] | None = None

    async def error(self) -> str | None:
        """What is wrong, within ANSWER_WITHIN_S; None: nothing."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="health probe")
        done, _ = await asyncio.wait([self._asking], timeout=ANSWER_WITHIN_S)
        return self._asking.result() if done else "no answer in time"

    async def _ask(self) -> str | None:
        try:
            await self._question()
        except (DatabaseUnavailable, QueueUnavailable) as error:
            return str(error)
        return None


def health_blueprint(
    *,
    database: Database,
    ready: Ready,
    draining: Callable[[], bool],
    vacuum_held: Callable[[], object | None],
) -> Blueprint:
    """The route. `vacuum_held` returns what holds VACUUM back; None: nothing does."""
    health = Blueprint("health", __name__)
    hung = 0

    async def ask_database() -> None:
        nonlocal hung
        workers = await WorkerStore(database).list_live_workers()
        hung = sum(worker["hung_handlers"] for worker in workers)

    database_probe = Probe(ask_database)
    queue_probe = Probe(ready.ping)

    @health.get("/health")
    async def get_health() -> Response:
        if draining():
            return _answer(503, "draining")
        database_error, queue_error = await asyncio.gather(
            database_probe.error(), queue_probe.error()
        )
        parts = {"database": database_error or "ok", "queue": queue_error or "ok"}
        if database_error:
            return _answer(503, "unavailable", **parts)
        if hung:
            parts["workers"] = f"{hung} handlers do not return, and cannot be stopped"
        held = vacuum_held()
        if held is not None:
            parts["vacuum"] = str(held)
        degraded = queue_error or hung or held is not None
        return _answer(200, "degraded" if degraded else "ok", **parts)

    return health


def _answer(status: int, word: str, **parts: str) -> Response:
    return Response(codec.dumps({"status": word, **parts}), status, content_type="application/json")
