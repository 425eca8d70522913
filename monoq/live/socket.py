"""One viewer's WebSocket, over plain ASGI: reads subscriptions, writes their frames. A slow reader
must cost only itself: what waits for it is bounded, and it is closed when it makes no progress."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from monoq.live.hub import Hub
from monoq.live.requests import Refused, SubscribeTotals, read_request
from monoq.live.subscription import Replays, Subscription
from monoq.live.totals import TotalsBoard
from monoq.live.turns import Turns

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

# jobs with news that wait for one reader: two full batch submits; the texts are shared among
# sockets
MAX_PENDING = 20_000
SEND_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
MAX_MESSAGE_BYTES = 16 * 1024
MAX_TENANTS = 100
# for long; at once as many as it takes to leave all tenants and to subscribe to as many others
MESSAGES_PER_S = 10
MESSAGES_AT_ONCE = 2 * MAX_TENANTS

# Close codes of RFC 6455 and its registry.
NORMAL, UNSUPPORTED, POLICY, TOO_BIG, RESTART, TRY_LATER = 1000, 1003, 1008, 1009, 1012, 1013


class Closed(Exception):  # noqa: N818 - the end of a socket, not an error
    """The socket is to be closed with this code."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket:
    """One client's connection. Each tenant that it watches has a subscription; they take turns."""

    def __init__(
        self,
        hub: Hub,
        replays: Replays,
        totals: TotalsBoard,
        turns: Turns,
        receive: Receive,
        send: Send,
    ) -> None:
        self._hub = hub
        self._totals = totals
        self._replays = replays
        self._turns = turns
        self._receive = receive
        self._send = send
        self._subscriptions: dict[str, Subscription] = {}  # by tenant
        self._ready: dict[Subscription, None] = {}  # those that have something to send, in turn
        self._waiting = 0  # jobs with news, of all of them
        self._control: list[str] = []
        self._newest_totals: str | None = None  # that were not sent yet
        self._woken = asyncio.Event()
        self._close: Closed | None = None

    def say(self, text: str) -> None:
        """Sends this before any news."""
        self._control.append(text)
        self._turns.ask(self._woken)

    def wake(self, subscription: Subscription) -> None:
        """There is something to send."""
        self._ready[subscription] = None
        self._turns.ask(self._woken)

    def count(self, more: int) -> None:
        """Adds to the number of waiting jobs. A reader too far behind is closed; it returns with
        its cursor, or reads the table."""
        self._waiting += more
        if self._waiting > MAX_PENDING:
            self.close(TRY_LATER, "too far behind")

    def offer_totals(self, text: str) -> None:
        """Sends this, unless newer totals come before its turn."""
        self._newest_totals = text
        self._turns.ask(self._woken)

    def leave(self) -> None:
        """Closes the socket; the client must start over."""
        self.close(RESTART, "missed changes cannot be replayed: read the jobs again")

    def close(self, code: int, reason: str) -> None:
        """Ends the socket soon, with this code; the first one counts."""
        self._close = self._close or Closed(code, reason)
        self._woken.set()

    async def serve(self) -> int | None:
        """Accepts the connection and serves it to its end. Returns the close code, or None if the
        client closed it."""
        await self._receive()  # websocket.connect
        await self._send({"type": "websocket.accept"})
        reading = asyncio.create_task(self._read(), name="socket reader")
        writing = asyncio.create_task(self._write(), name="socket writer")
        try:
            await asyncio.wait([reading, writing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._totals.remove(self)
            for subscription in self._subscriptions.values():
                subscription.close()
            reading.cancel()
            writing.cancel()
            ended = await asyncio.gather(reading, writing, return_exceptions=True)
        for end in ended:
            if isinstance(end, Closed):
                await self._say_goodbye(end)
                return end.code
            if isinstance(end, Exception) and not isinstance(end, OSError):
                raise end
        return None

    async def _say_goodbye(self, end: Closed) -> None:
        """Closes, then reads on until the client is gone: the server's queue to us is bounded, and
        the server waits while it is full."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._send(
                    {"type": "websocket.close", "code": end.code, "reason": end.reason}
                )
                while (await self._receive())["type"] != "websocket.disconnect":
                    pass
        except TimeoutError:
            pass

    async def _read(self) -> None:
        allowed, before = float(MESSAGES_AT_ONCE), time.monotonic()
        while True:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                return
            now = time.monotonic()
            allowed = min(MESSAGES_AT_ONCE, allowed + (now - before) * MESSAGES_PER_S) - 1
            before = now
            if allowed < 0:
                raise Closed(POLICY, "too many messages")
            text = event.get("text")
            if text is None:
                raise Closed(UNSUPPORTED, "text messages only")
            if len(text) > MAX_MESSAGE_BYTES:
                raise Closed(TOO_BIG, "message too big")
            self._obey(text)

    def _obey(self, text: str) -> None:
        try:
            message = read_request(text)
        except Refused as refused:
            return self._tell(type="ERROR", code=refused.code, message=str(refused))
        if isinstance(message, SubscribeTotals):
            return self._obey_totals(message)
        before = self._subscriptions.get(message.tenant_id)
        if message.type == "UNSUBSCRIBE":
            if before:
                before.close()
                del self._subscriptions[message.tenant_id]
            return None
        if before is None and len(self._subscriptions) >= MAX_TENANTS:
            return self._tell(
                type="ERROR",
                code="too_many_subscriptions",
                message=f"at most {MAX_TENANTS} tenants on one socket",
            )
        self._subscriptions[message.tenant_id] = subscription = Subscription(
            message.tenant_id,
            self,
            self._hub,
            self._replays,
            batched=message.batch,
            follows=message.follows,
            since=message.cursor,
            progress=message.progress,
            log=message.log,
        )
        subscription.open(before)
        return None

    def _obey_totals(self, message: SubscribeTotals) -> None:
        if message.type == "SUBSCRIBE":
            self.say(self._totals.add(self))
        else:
            self._totals.remove(self)
            self._newest_totals = None

    def _tell(self, **message: Any) -> None:
        self.say(orjson.dumps(message).decode())

    async def _write(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._control or self._newest_totals or self._ready or self._close:
                if self._close:
                    raise self._close
                if self._control:
                    frames, self._control = self._control, []
                elif self._newest_totals:
                    frames, self._newest_totals = [self._newest_totals], None
                else:
                    frames = self._next_frames()
                await self._write_frames(frames)

    def _next_frames(self) -> list[str]:
        subscription = next(iter(self._ready))
        del self._ready[subscription]
        if not subscription.is_open:
            return []
        frames = subscription.next_frames()
        if subscription.has_more:
            self._ready[subscription] = None
        return frames

    async def _write_frames(self, frames: list[str]) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                for frame in frames:
                    await self._send({"type": "websocket.send", "text": frame})
        except TimeoutError:
            raise Closed(TRY_LATER, "reading too slowly") from None
