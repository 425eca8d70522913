"""Listens to `job_updates` and hands every message to the hub. Redis may go away and come back: it must come back by itself."""

import logging
import time

from monoq.errors import InvalidJson
from monoq.live.hub import Hub
from monoq.queue.connection import UNAVAILABLE, close, connect
from monoq.queue.keys import UPDATES
from monoq.service import Service

log = logging.getLogger(__name__)

RETRY_S = 0.5


class Subscriber(Service):
    """One subscription per process, however many sockets watch."""

    name = "subscriber"

    def __init__(self, redis_url: str, hub: Hub) -> None:
        super().__init__()
        self._redis_url = redis_url
        self._hub = hub

    async def run(self) -> None:
        down_since: float | None = None
        while not self.stopping.is_set():
            redis = connect(self._redis_url, connections=2)
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(UPDATES)
                    if down_since is not None:
                        log.warning("live updates arrive again after %.1f s", time.monotonic() - down_since)
                        down_since = None
                    while not self.stopping.is_set():
                        # The short timeout is how a stop is noticed: a pending read is never cancelled.
                        if message := await subscription.get_message(timeout=0.2):
                            self._deliver(message["data"])
            except UNAVAILABLE as error:
                if down_since is None:
                    down_since = time.monotonic()
                    log.warning("live updates do not arrive: %s", error)
                await self.pause(RETRY_S)
            finally:
                await close(redis)

    def _deliver(self, message: bytes) -> None:
        try:
            self._hub.deliver(message)
        except InvalidJson as error:
            log.debug("junk on %s: %s", UPDATES, error)
