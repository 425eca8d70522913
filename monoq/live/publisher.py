"""Tells `job_updates` what changed, after the commit. A message is a hint: it may be lost, so
nothing may wait for it or depend on it."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from monoq.batching import Batches, Pace, up_to
from monoq.job import Status, timestamp
from monoq.live.wire import Change, Told, encode_message, encode_messages
from monoq.observe import Metrics
from monoq.queue.connection import UNAVAILABLE, close, connect
from monoq.queue.keys import UPDATES
from monoq.service import Service

log = logging.getLogger(__name__)

# what waits for Redis; the oldest are dropped first, viewers re-read the table anyway
MAX_MESSAGES = 10_000
AT_ONCE = 1000  # messages in one call
SEND_EVERY_S = 0.002  # a lone message is sent at once; those that follow soon share a call


class Publisher(Service):
    """One connection, so that what this process publishes arrives in the order of its commits."""

    name = "publisher"

    def __init__(self, redis_url: str, metrics: Metrics) -> None:
        super().__init__()
        self._redis = connect(redis_url, connections=1)
        self._publish = self._redis.register_script(
            (Path(__file__).parent / "publish.lua").read_text()
        )
        self._messages: Batches[bytes] = Batches(
            self._send, up_to(AT_ONCE), gather=Pace(SEND_EVERY_S).wait, keep=MAX_MESSAGES
        )
        self._down_since: float | None = None
        self._metrics = metrics

    def publish(self, changes: Iterable[Change]) -> None:
        """Takes committed changes; returns at once."""
        self._messages.add(encode_messages(changes))

    def publish_batch(
        self,
        status: Status,
        jobs: Mapping[str, Sequence[Told]],
        at: float,
        worker_id: int | None = None,
    ) -> None:
        """Takes the committed changes of a batch, by tenant, of the time `at` (seconds since 1970);
        returns at once."""
        moment = timestamp(datetime.fromtimestamp(at, UTC))
        self._messages.add(
            encode_message(tenant_id, status, told, worker_id, moment)
            for tenant_id, told in jobs.items()
        )

    def stop(self) -> None:
        super().stop()
        self._messages.close()

    async def run(self) -> None:
        await self._messages.run()
        await close(self._redis)

    async def _send(self, messages: list[bytes]) -> None:
        try:
            await self._publish([], [UPDATES, b"\n".join(messages)])
        except UNAVAILABLE as error:
            self._metrics.unpublished.inc(len(messages))
            if self._down_since is None:
                self._down_since = time.monotonic()
                log.warning("live updates are not published: %s", error)
        else:
            if self._down_since is not None:
                log.warning(
                    "live updates are published again after %.1f s",
                    time.monotonic() - self._down_since,
                )
                self._down_since = None
