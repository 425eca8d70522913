"""The HTTP server: Quart behind the guard, on Hypercorn. At a stop it must let go of its clients
before Hypercorn waits for them."""

import asyncio
import ctypes
import logging
import socket
import struct
import sys
import time
from collections.abc import Iterable
from typing import Literal

import h11
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import H11SendableEvent
from quart import Blueprint, Quart

from monoq.api import problems, uvicorn_server
from monoq.api.bounds import keep_bounds
from monoq.api.connections import most_connections, most_waiting
from monoq.api.guard import LAST_ANSWER, ASGIApp
from monoq.api.intake import BODY_TIMEOUT_S
from monoq.errors import ConfigError
from monoq.live.socket import MAX_MESSAGE_BYTES
from monoq.live.sockets import Sockets
from monoq.process.service import Service

log = logging.getLogger(__name__)

# for a connection without a request, and for the head of one; longer than nginx keeps its own to us
KEEP_ALIVE_S = 75
MAX_BODY_BYTES = 64 * 1024  # for Quart, behind which nobody reads one
BODY_CHUNKS = 4  # of up to 64 KB that a request has read ahead
HANDSHAKES_S = 0.1  # for connections that were being opened when no more were wanted
ACCEPT_WITHIN_S = 1.0  # and for a busy process to accept them
# Of connections that are not accepted yet; the kernel allows 4,096 unless net.core.somaxconn says
# more. With Hypercorn's 100, a burst of 500 clients gets in at 120 a second; with 2,048, a few of
# 10,000 WebSockets that came back at once got in after half a minute.
BACKLOG = 16_384


def create_quart(blueprints: Iterable[Blueprint]) -> Quart:
    """The Quart application, without guard and server."""
    app = Quart("monoq", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT_S
    problems.install(app)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


class ApiServer(Service):
    """Serves until `stop`: then health turns to 503 and sockets are sent elsewhere, while for
    `drain_s` seconds every request is still answered, as the last one of its connection. Then
    nobody is let in any more, and requests under way are finished."""

    name = "api"

    def __init__(
        self,
        *,
        app: ASGIApp,
        sockets: Sockets,
        host: str,
        port: int,
        drain_s: float,
        grace_s: float,
        server: Literal["hypercorn", "uvicorn"] = "hypercorn",
    ) -> None:
        super().__init__()
        if server == "uvicorn":
            uvicorn_server.require()
        self._server = server
        self._sockets = sockets
        self._drain_s = drain_s
        self._app = app
        self._config = Config()
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._config.backlog = most_waiting(BACKLOG)
        self._config.accesslog = None
        self._config.errorlog = logging.getLogger("hypercorn.error")
        self._config.include_server_header = False
        self._config.max_app_queue_size = BODY_CHUNKS
        self._config.keep_alive_timeout = KEEP_ALIVE_S
        # a WebSocket may be silent; bodies have a time of their own
        self._config.read_timeout = None
        self._config.graceful_timeout = min(3.0, (grace_s - drain_s) / 2)
        self._config.shutdown_timeout = min(3.0, (grace_s - drain_s) / 2)
        self._config.websocket_max_message_size = 2 * MAX_MESSAGE_BYTES
        logging.getLogger("hypercorn.error").setLevel(logging.WARNING)

    async def run(self) -> None:
        host = self._socket.getsockname()[0]
        log.info(
            "the dashboard is at http://%s:%d", f"[{host}]" if ":" in host else host, self.port
        )
        if self._server == "uvicorn":
            self._listening = self._socket.fileno()
            await uvicorn_server.serve(
                self._app,
                self._socket,
                self._stopped,
                keep_alive_s=KEEP_ALIVE_S,
                stop_s=self._config.graceful_timeout,
                max_message_bytes=2 * MAX_MESSAGE_BYTES,
                max_connections=most_connections(),
            )
            return
        keep_bounds()
        _answer_in_one_piece()
        self._listening = self._socket.detach()
        self._config.bind = [f"fd://{self._listening}"]  # from here on it is Hypercorn's to close
        await serve(self._app, self._config, shutdown_trigger=self._stopped, mode="asgi")  # type: ignore[arg-type]

    async def _stopped(self) -> None:
        await self.stopping.wait()
        self._sockets.close()
        await asyncio.gather(self._drain(), self._sockets.emptied(self._config.graceful_timeout))

    async def _drain(self) -> None:
        await asyncio.sleep(self._drain_s)
        if _let_nobody_in(self._listening):
            await asyncio.sleep(HANDSHAKES_S)
            end = time.monotonic() + ACCEPT_WITHIN_S
            while _not_accepted(self._listening) and time.monotonic() < end:  # noqa: ASYNC110 - the kernel signals no such event
                await asyncio.sleep(HANDSHAKES_S)
            # and for the requests of those who were accepted last
            await asyncio.sleep(HANDSHAKES_S)


def _listen(host: str, port: int) -> socket.socket:
    """Binds before anything else starts, so that a port in use is told at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _notice_dead_peers(listener)
        listener.bind(address)
        # whoever connects before all is up waits instead of being refused
        listener.listen(most_waiting(BACKLOG))
        listener.setblocking(False)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port} (MONOQ_HOST, MONOQ_PORT): {error.strerror or error}"
        ) from error
    return listener


def _notice_dead_peers(listener: socket.socket) -> None:
    """Accepted connections inherit this: the kernel asks a silent peer after 20 s, and gives up one
    that does not answer, or that has not read what it was sent, after 15 s. Hypercorn's own pings
    look at no answer, hold every closed WebSocket for one more interval, and its close waits for a
    reader that never reads."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 20),
        ("TCP_KEEPINTVL", 10),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 15_000),
    ):
        if option := getattr(socket, name, None):  # not all of them exist everywhere
            listener.setsockopt(socket.IPPROTO_TCP, option, value)


def _let_nobody_in(listening: int) -> bool:
    """Drops the packets that open connections; those that are open, or nearly, are still accepted.
    A listener that is simply closed resets whoever it has not accepted yet, and such a client
    cannot know whether its request was read. Whoever comes now asks again after a second, and is
    refused by then. Returns whether this system can do that."""
    attach = getattr(socket, "SO_ATTACH_FILTER", 26 if sys.platform == "linux" else None)
    if attach is None:
        return False
    # Classic BPF: load byte 13 of the TCP header; SYN set and ACK not: drop, else keep.
    steps = [
        (0x30, 0, 0, 13),
        (0x54, 0, 0, 0x12),
        (0x15, 0, 1, 0x02),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    listener = socket.socket(fileno=listening)
    try:
        listener.setsockopt(
            socket.SOL_SOCKET, attach, struct.pack("HL", len(steps), ctypes.addressof(program))
        )
    except OSError as error:
        log.debug("connections that come at the last moment may be reset: %s", error)
        return False
    finally:
        listener.detach()
    return True


def _not_accepted(listening: int) -> int:
    """How many open connections wait in the accept queue (Linux: tcpi_unacked of a listener, see
    tcp_info in linux/tcp.h)."""
    listener = socket.socket(fileno=listening)
    try:
        return int(
            struct.unpack_from(
                "=24xI", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            )[0]
        )
    finally:
        listener.detach()


def _answer_in_one_piece() -> None:
    """Hypercorn writes the head of an answer and its body apart: a packet more, and a process
    killed in between has answered halfway, which no proxy can make good. The head now waits for
    what follows it.

    And it says so when it is the last one: after an answer to a request that has not come whole
    yet, Hypercorn closes.
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
