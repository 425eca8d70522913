"""Listens to `job_updates` and passes every message to the hub. When Redis is away it must
reconnect by itself, and log that."""

import logging
import time
from collections.abc import Callable

from redis.asyncio.client import PubSub

from monoq.errors import InvalidJson
from monoq.live.hub import Hub
from monoq.observe.outage import Outage
from monoq.process.service import Service
from monoq.queue.connection import UNAVAILABLE, close, connect
from monoq.queue.keys import UPDATES

log = logging.getLogger(__name__)

RETRY_S = 0.5
TICK_S = 1.0  # without a message, then Redis is pinged
SILENCE_S = 3.0  # without a message or a pong, then the connection is dead, whatever it looks like


class Subscriber(Service):
    """One subscription per process, for all viewers. `subscribed` is called each time it begins:
    earlier messages are lost."""

    name = "subscriber"

    def __init__(self, redis_url: str, hub: Hub, subscribed: Callable[[], None]) -> None:
        super().__init__()
        self._redis_url = redis_url
        self._hub = hub
        self._subscribed = subscribed
        self._outage = Outage(log, "receiving live updates")

    async def run(self) -> None:
        while not self.stopping.is_set():
            redis = connect(self._redis_url, connections=2)
            try:
                async with redis.pubsub() as subscription:
                    await subscription.subscribe(UPDATES)
                    await self._listen(subscription)
            except UNAVAILABLE as error:
                self._outage.failed(error)
                await self.pause(RETRY_S)
            finally:
                await close(redis)

    async def _listen(self, subscription: PubSub) -> None:
        heard = pinged = time.monotonic()
        while not self.stopping.is_set():
            # The short timeout is how a stop is noticed: a pending read is never cancelled.
            message = await subscription.get_message(timeout=0.2)
            now = time.monotonic()
            if message is None:
                if now - heard > SILENCE_S:
                    raise TimeoutError(f"Redis has been silent for {SILENCE_S:g} s")
                if now - max(heard, pinged) > TICK_S:
                    pinged = now
                    await subscription.ping()
                continue
            heard = now
            if message["type"] == "message":
                self._deliver(message["data"])
            elif message["type"] == "subscribe":  # also when the library has silently reconnected
                self._is_subscribed()

    def _is_subscribed(self) -> None:
        self._outage.over()
        self._subscribed()

    def _deliver(self, message: bytes) -> None:
        try:
            self._hub.deliver(message)
        except InvalidJson as error:
            log.debug("junk on %s: %s", UPDATES, error)
