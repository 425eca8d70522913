"""Publishes changes on `job_updates`, after the commit. A message is a hint: it may be lost, so
nothing may wait for it or depend on it."""

import logging
from collections.abc import Iterable
from pathlib import Path

from monoq.live.change import Changes
from monoq.live.note import Note, encode_notes
from monoq.live.wire import encode_messages
from monoq.observe.metrics import Metrics
from monoq.observe.outage import Outage
from monoq.process.batching import Batches, Pace, up_to
from monoq.process.service import Service
from monoq.queue.connection import UNAVAILABLE, close, connect
from monoq.queue.keys import UPDATES

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
        self._outage = Outage(log, "publishing live updates")
        self._metrics = metrics

    def publish(self, *statements: Changes) -> None:
        """Takes what statements changed, after their commits and in their order; returns at
        once."""
        for changes in statements:
            self._messages.add(encode_messages(changes))

    def publish_notes(self, notes: Iterable[tuple[str, Note]]) -> None:
        """Takes what running jobs said of themselves, each with its tenant; returns at once."""
        self._messages.add(encode_notes(notes))

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
            self._outage.failed(error)
        else:
            self._outage.over()
