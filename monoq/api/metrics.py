"""GET /metrics: what this process counted, and what the engines know of the whole system. A scrape
must be answered whatever is broken, with what is known by then."""

import asyncio
import logging

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from quart import Blueprint, Response, request

from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.job import Status
from monoq.observe.catalogue import UNKNOWN
from monoq.observe.metrics import Metrics
from monoq.queue.ready import Ready
from monoq.store.counts import CountStore

log = logging.getLogger(__name__)

ASK_TIMEOUT_S = 1.5  # how long a scrape waits for the engines; less than any scraper's patience
STOP_S = 0.5


class Scrapes:
    """Answers scrapes. Simultaneous scrapes share one query of the engines, which is never
    cancelled: it has time limits of its own."""

    def __init__(self, *, metrics: Metrics, counts: CountStore, ready: Ready) -> None:
        self._metrics = metrics
        self._counts = counts
        self._ready = ready
        self._look: asyncio.Task[None] | None = None

    async def answer(self, accept: str) -> tuple[bytes, str]:
        """The text and its content type: OpenMetrics if the scraper accepts it."""
        if self._look is None or self._look.done():
            self._forget()
            self._look = asyncio.create_task(self._look_at_engines(), name="scrape")
        await asyncio.wait([self._look], timeout=ASK_TIMEOUT_S)
        # the library's own choice fails on versions that are no numbers
        if "application/openmetrics-text" in accept:
            text: bytes = openmetrics.generate_latest(self._metrics.registry)
            return text, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self._metrics.registry), CONTENT_TYPE_PLAIN_0_0_4

    async def close(self) -> None:
        """Ends a read in progress."""
        if self._look:
            self._look.cancel()
            await asyncio.wait([self._look], timeout=STOP_S)

    def _forget(self) -> None:
        """Clears what the last scrape found."""
        metrics = self._metrics
        for gauge in (metrics.waiting, metrics.running, metrics.oldest, metrics.runway):
            gauge.set(UNKNOWN)
        metrics.postgres_up.set(0)
        metrics.redis_up.set(0)

    async def _look_at_engines(self) -> None:
        await asyncio.gather(self._look_at_postgres(), self._look_at_redis())

    async def _look_at_postgres(self) -> None:
        try:
            counts = await self._counts.sum_counts()
            oldest = await self._counts.oldest_of_all()
        except DatabaseUnavailable as error:
            log.debug("a scrape without PostgreSQL: %s", error)
            return
        self._metrics.waiting.set(counts.get(Status.PENDING, 0))
        self._metrics.running.set(counts.get(Status.RUNNING, 0))
        self._metrics.oldest.set(oldest or 0)
        self._metrics.postgres_up.set(1)

    async def _look_at_redis(self) -> None:
        try:
            self._metrics.runway.set(await self._ready.length())
        except QueueUnavailable as error:
            log.debug("a scrape without Redis: %s", error)
            return
        self._metrics.redis_up.set(1)


def metrics_blueprint(scrapes: Scrapes) -> Blueprint:
    """The route, over what answers it."""
    metrics = Blueprint("metrics", __name__)

    @metrics.get("/metrics")
    async def get_metrics() -> Response:
        body, content_type = await scrapes.answer(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    return metrics
