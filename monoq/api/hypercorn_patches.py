"""All patches of Hypercorn, written against 0.18 (the lock file pins it): what it does not bound
itself, namely WebSocket frames, connections whose clients have left and their number, and how it
writes a response. Each says what goes wrong without it. It must know no message and no route."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import h11
import hypercorn.asyncio.run
import hypercorn.protocol.h2
import hypercorn.protocol.h11
import hypercorn.protocol.ws_stream
from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
from hypercorn.events import Closed, RawData, Updated
from hypercorn.events import Event as ConnectionEvent
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.events import Body, Data, Event, StreamClosed
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.typing import H11SendableEvent
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping
from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason

from monoq.api.connections import Connections, max_connections
from monoq.api.guard import LAST_ANSWER

MAX_PIECES = 64  # frames of one message: monoq's clients send only one
# how long what a refused client still sends is thrown away: cut at once, it might not see our close
LINGER_S = 1.0


async def _to_nobody(event: object) -> None: ...


class LetsGo:
    """A stream whose application has ended accepts no more input. Its queue is bounded: a reader,
    or the end of the connection, that waited for room in it would wait for ever.
    """

    app_put: Any

    async def app_send(self, message: Any) -> None:
        if message is None and self.app_put is not None:
            put, self.app_put = self.app_put, _to_nobody
            self._empty(put)
        await super().app_send(message)  # type: ignore[misc]

    def _empty(self, put: Any) -> None:
        queue: asyncio.Queue[Any] | None = getattr(put, "__self__", None)
        while queue is not None and not queue.empty():
            queue.get_nowait()


class LetsGoHTTP(LetsGo, HTTPStream):
    """The same for a request: the rest of its body is dropped once it has been answered."""

    async def handle(self, event: Event) -> None:
        if (
            isinstance(event, StreamClosed)
            and self.state is ASGIHTTPState.CLOSED
            and not self.closed
        ):
            self._empty(self.app_put)
        await super().handle(event)


class BoundedStream(LetsGo, WSStream):
    """Hypercorn's stream of one WebSocket; but what is too large, in too many pieces or against the
    protocol is answered with its code, and then the connection is cut. Hypercorn sends 1009 and
    reads on, and keeps all that comes."""

    _size = 0  # of the message that is coming in
    _pieces = 0
    _refused = False

    async def handle(self, event: Event) -> None:
        if not (self._refused and isinstance(event, Body | Data)):
            await super().handle(event)

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if isinstance(event, Message):
                self._size += len(event.data)
                self._pieces += event.frame_finished
                if self._size > self.config.websocket_max_message_size:
                    return await self._refuse(CloseReason.MESSAGE_TOO_BIG)
                if self._pieces > MAX_PIECES:
                    return await self._refuse(CloseReason.POLICY_VIOLATION)
                self.buffer.extend(event)
                if event.message_finished and self.app_put is not None:
                    message = self.buffer.to_message()
                    self.buffer.clear()
                    self._size = self._pieces = 0
                    await self.app_put(message)
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):
                # wsproto's verdict on a frame
                if self.connection.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING):
                    return await self._refuse(event.code)
                if self.connection.state is ConnectionState.REMOTE_CLOSING:
                    await self._send_wsproto_event(event.response())
                return await self._cut()
        return None

    async def _refuse(self, code: int) -> None:
        self._refused = True
        self.buffer.clear()
        await self._send_wsproto_event(CloseConnection(code=code))
        self.task_group.spawn(self._cut, LINGER_S)

    async def _cut(self, after_s: float = 0) -> None:
        await asyncio.sleep(after_s)
        if not self.closed:
            await self.send(StreamClosed(stream_id=self.stream_id))


class NoExtension(Extension):
    """Stands where Hypercorn puts permessage-deflate: it agrees to nothing and unpacks nothing."""

    name = "none"

    def offer(self) -> bool:
        return False


class IdleTimer:
    """Stands where Hypercorn puts the task that ends an idle connection. That one is cancelled and
    made again for each request, with a second task inside it, which cost a third of the loop's
    rounds of a request; this is one timer."""

    def __init__(self, seconds: float, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._seconds = seconds
        self._close = close
        self._timer: asyncio.TimerHandle | None = None
        self._group: Any = None
        self._is_terminated = False

    async def restart(self, group: Any, _: object) -> None:
        """The connection is idle from now on; `group` is Hypercorn's, for the task that ends it."""
        await self.stop()
        self._group = group
        delay = 0 if self._is_terminated else self._seconds
        self._timer = asyncio.get_running_loop().call_later(delay, self._end)

    async def stop(self) -> None:
        """It is no longer idle, or it has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def terminate(self) -> None:
        """The server stops: ends the connection now if it is idle, and else as soon as it is."""
        self._is_terminated = True
        if self._timer is not None:
            self._timer.cancel()
            self._end()

    def _end(self) -> None:
        self._timer = None
        self._group.spawn(self._close)


class PromptServer(TCPServer):
    """Hypercorn's connection; but one that its client has closed is let go at once, and not when
    its keep-alive time is over. And one that ends in the middle of a request is not cut: its client
    would be reset, and might not see the answer."""

    connections: ClassVar[Connections]  # all of this process
    protocol: ProtocolWrapper
    _lingering = False

    async def run(self) -> None:
        if not self.connections.enter(self):
            return self.cut()
        idle = IdleTimer(self.config.keep_alive_timeout, self._initiate_server_close)
        self.idle_task = idle  # type: ignore[assignment]
        stop = self.loop.create_task(self._terminate(idle))
        try:
            await super().run()
        finally:
            stop.cancel()
            self.connections.leave(self)

    async def _terminate(self, idle: IdleTimer) -> None:
        await self.context.terminated.wait()
        idle.terminate()

    def cut(self) -> None:
        """Ends it at once."""
        self.writer.transport.abort()

    async def protocol_send(self, event: ConnectionEvent) -> None:
        if isinstance(event, Updated):
            self.connections.set_idle(self, event.idle)
        elif isinstance(event, Closed) and self._is_amid_a_request():
            await self._linger()
        await super().protocol_send(event)

    async def _read_data(self) -> None:
        self._ended = asyncio.Event()
        while not self.reader.at_eof():
            try:
                data = await self.reader.read(MAX_RECV)
            except OSError:
                break
            if not self._lingering:
                await self.protocol.handle(RawData(data))
        self._ended.set()
        await self.protocol.handle(Closed())
        await self.idle_task.stop()

    def _is_amid_a_request(self) -> bool:
        connection = getattr(self.protocol.protocol, "connection", None)
        return (
            getattr(connection, "their_state", None) is h11.SEND_BODY and not self._ended.is_set()
        )

    async def _linger(self) -> None:
        self._lingering = True
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            self.writer.write_eof()
            async with asyncio.timeout(LINGER_S):
                await self._ended.wait()


def patch_hypercorn() -> None:
    """Patches Hypercorn for this process: every server in it keeps these bounds, refuses
    compression, and sends the head of a response with its body."""
    _refuse_compression()
    for protocol in (hypercorn.protocol.h11, hypercorn.protocol.h2):
        protocol.WSStream = BoundedStream  # type: ignore[attr-defined]
        protocol.HTTPStream = LetsGoHTTP  # type: ignore[attr-defined]
    PromptServer.connections = Connections(max_connections())
    hypercorn.asyncio.run.TCPServer = PromptServer  # type: ignore[attr-defined]
    _answer_in_one_piece()


def _refuse_compression() -> None:
    """Hypercorn would accept permessage-deflate: 190 KB per socket. It also enables decompression
    on every connection, so that a compressed frame is unpacked even without negotiation: 64 KB to
    67 MB, before any limit."""
    ws_stream: Any = hypercorn.protocol.ws_stream
    ws_stream.server_extensions_handshake = lambda *_: None
    ws_stream.PerMessageDeflate = NoExtension


def _answer_in_one_piece() -> None:
    """Hypercorn writes the head of a response and its body apart: one packet more, and a process
    killed in between has sent half a response, which no proxy can repair. The head now waits for
    what follows it.

    And the head says so when the response is the connection's last: after a response to a request
    that has not arrived whole, Hypercorn closes.
    """

    async def send(protocol: H11Protocol, event: H11SendableEvent) -> None:
        if isinstance(event, h11.Response) and protocol.connection.their_state is h11.SEND_BODY:
            event = h11.Response(
                status_code=event.status_code, headers=[*event.headers, LAST_ANSWER]
            )
        try:
            data = protocol.__dict__.pop("head", b"") + (protocol.connection.send(event) or b"")
        except h11.LocalProtocolError:
            if protocol.connection.their_state is not h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response):
            protocol.__dict__["head"] = data
        else:
            await protocol.send(RawData(data=data))

    H11Protocol._send_h11_event = send  # type: ignore[assignment,method-assign]
