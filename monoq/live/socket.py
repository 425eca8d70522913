"""One viewer's WebSocket, as a plain ASGI application: reads its subscriptions, writes what the hub offers. A slow reader must
cost only itself: what waits for it is bounded, and it is closed when it makes no progress."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from itertools import islice
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from monoq import codec
from monoq.errors import InvalidJson
from monoq.job import TENANT_PATTERN
from monoq.live.hub import Hub
from monoq.live.wire import updates_frame
from monoq.observe import Metrics

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

MAX_PENDING = 20_000  # jobs with news that wait for one reader: two full batch submits; the texts are shared among sockets
PACKED = 500  # updates in one UPDATES frame
SEND_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
MAX_MESSAGE_BYTES = 16 * 1024
MESSAGES_PER_S = 10
MAX_TENANTS = 100

# Close codes of RFC 6455 and its registry.
NORMAL, UNSUPPORTED, POLICY, TOO_BIG, RESTART, TRY_LATER = 1000, 1003, 1008, 1009, 1012, 1013


class Subscribe(BaseModel):
    """What a client may say. `batch` and `cursor` opt in to more kinds of messages."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["SUBSCRIBE", "UNSUBSCRIBE"]
    tenant_id: Annotated[str, Field(alias="tenantId", pattern=TENANT_PATTERN)]
    batch: bool = False
    cursor: str | None = None


_MESSAGE = TypeAdapter(Subscribe)


class Closed(Exception):  # noqa: N818 - the end of a socket, not an error
    """The socket is to be closed with this code."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket:
    """A viewer of the hub. Per job only the newest news waits."""

    def __init__(self, hub: Hub, receive: Receive, send: Send) -> None:
        self._hub = hub
        self._receive = receive
        self._send = send
        self._batched: dict[str, bool] = {}  # by tenant watched: whether its updates are packed
        self._news: dict[str, dict[str, str]] = {}  # tenant → job id → newest update, encoded
        self._waiting = 0
        self._control: list[str] = []
        self._woken = asyncio.Event()
        self._close: Closed | None = None

    def offer(self, tenant_id: str, updates: Iterable[tuple[str, str]]) -> None:
        """Takes news; a reader too far behind is closed and comes back to read the table anew."""
        news = self._news.setdefault(tenant_id, {})
        self._waiting -= len(news)
        news.update(updates)
        self._waiting += len(news)
        if self._waiting > MAX_PENDING:
            self.close(TRY_LATER, "too far behind")
        self._woken.set()

    def close(self, code: int, reason: str) -> None:
        """Ends the socket soon, with this code; the first one counts."""
        self._close = self._close or Closed(code, reason)
        self._woken.set()

    async def serve(self) -> int | None:
        """Accepts the connection; returns when it is over: the code it was closed with, None if its client closed it."""
        await self._receive()  # websocket.connect
        await self._send({"type": "websocket.accept"})
        reading = asyncio.create_task(self._read(), name="socket reader")
        writing = asyncio.create_task(self._write(), name="socket writer")
        try:
            await asyncio.wait([reading, writing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for tenant_id in self._batched:
                self._hub.remove(tenant_id, self)
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
        """Closes, and reads on until the client is gone: the server's queue to us is bounded, and it waits while it is full."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._send({"type": "websocket.close", "code": end.code, "reason": end.reason})
                while (await self._receive())["type"] != "websocket.disconnect":
                    pass
        except TimeoutError:
            pass

    async def _read(self) -> None:
        second, count = 0.0, 0
        while True:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                return
            now = time.monotonic()
            second, count = (now, 1) if now - second >= 1 else (second, count + 1)
            if count > MESSAGES_PER_S:
                raise Closed(POLICY, "too many messages")
            text = event.get("text")
            if text is None:
                raise Closed(UNSUPPORTED, "text messages only")
            if len(text) > MAX_MESSAGE_BYTES:
                raise Closed(TOO_BIG, "message too big")
            self._obey(text)
            self._woken.set()

    def _obey(self, text: str) -> None:
        try:
            said = codec.loads(text)
            message = _MESSAGE.validate_python(said)
        except InvalidJson as error:
            return self._say(type="ERROR", code="invalid_json", message=str(error))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"])) or "message"
            return self._say(type="ERROR", code="invalid_message", message=f"{where}: {problem['msg']}")
        tenant_id = message.tenant_id
        if message.type == "UNSUBSCRIBE":
            self._hub.remove(tenant_id, self)
            self._batched.pop(tenant_id, None)
            self._waiting -= len(self._news.pop(tenant_id, ()))
            return None
        if tenant_id not in self._batched and len(self._batched) >= MAX_TENANTS:
            return self._say(type="ERROR", code="too_many_subscriptions", message=f"at most {MAX_TENANTS} tenants on one socket")
        self._batched[tenant_id] = message.batch
        self._hub.add(tenant_id, self)
        if "cursor" in said or "batch" in said:
            self._say(type="SUBSCRIBED", tenantId=tenant_id)
        if message.cursor is not None:  # no cursor is handed out yet, so none can be honoured: the client must read the table
            self._say(type="RESET", tenantId=tenant_id)
        return None

    def _say(self, **message: Any) -> None:
        self._control.append(orjson.dumps(message).decode())

    async def _write(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._control or self._news or self._close:
                if self._close:
                    raise self._close
                await self._write_frames(self._next_frames())

    def _next_frames(self) -> list[str]:
        if self._control:
            frames, self._control = self._control, []
            return frames
        tenant_id, news = next(iter(self._news.items()))
        jobs = list(islice(news, PACKED))
        updates = [news.pop(job_id) for job_id in jobs]
        self._waiting -= len(updates)
        if not news:
            del self._news[tenant_id]
        return [updates_frame(tenant_id, updates)] if self._batched.get(tenant_id) else updates

    async def _write_frames(self, frames: list[str]) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                for frame in frames:
                    await self._send({"type": "websocket.send", "text": frame})
        except TimeoutError:
            raise Closed(TRY_LATER, "reading too slowly") from None


class Sockets:
    """All sockets of this process; the ASGI application behind `/ws`."""

    def __init__(self, hub: Hub, metrics: Metrics) -> None:
        self._hub = hub
        self._metrics = metrics
        metrics.sockets_open.set_function(lambda: len(self._open))
        self._open: set[Socket] = set()
        self._closing = False
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        if self._closing:  # an HTTP answer: a proxy then asks another process, before the client learns of it
            await receive()
            headers = [(b"content-length", b"0"), (b"connection", b"close"), (b"retry-after", b"1")]
            await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        socket = Socket(self._hub, receive, send)
        self._open.add(socket)
        try:
            self._metrics.socket_closed(await socket.serve())
        finally:
            self._open.discard(socket)
            if not self._open:
                self._emptied.set()

    def close(self) -> None:
        """Sends every client elsewhere: this process stops."""
        self._closing = True
        for socket in self._open:
            socket.close(RESTART, "restarting")

    async def emptied(self, timeout: float) -> None:
        """Returns when no socket is left, or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while self._open:
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            pass
