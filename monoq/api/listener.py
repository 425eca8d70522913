"""The listening socket: binds it, and empties its accept queue before it is closed. It must know no
HTTP."""

import asyncio
import ctypes
import logging
import socket
import struct
import sys
import time

from monoq.errors import ConfigError

log = logging.getLogger(__name__)

HANDSHAKES_S = 0.1  # for connections that were being opened when the drop began
ACCEPT_WITHIN_S = 1.0  # and for a busy process to accept them

# The kernel probes a silent peer after 20 s. It drops a peer that does not answer, or has not read
# what it was sent, after 15 s.
KEEPALIVE = (
    ("TCP_KEEPIDLE", 20),
    ("TCP_KEEPINTVL", 10),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 15_000),
)
# Classic BPF: load byte 13 of the TCP header; if SYN is set and ACK is not, drop, else keep.
DROP_SYN = (
    (0x30, 0, 0, 13),
    (0x54, 0, 0, 0x12),
    (0x15, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)
TCP_INFO_BYTES = 104
UNACKED = "=24xI"  # tcpi_unacked in tcp_info, linux/tcp.h: of a listener, its accept queue


def listen(host: str, port: int, *, backlog: int, settings: str) -> socket.socket:
    """Binds a TCP socket before anything else starts, so that a port in use is reported at once.

    Clients that connect before the server runs wait in the backlog. Raises ConfigError, which names
    `settings`.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _detect_dead_peers(listener)
        listener.bind(address)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"cannot listen on {host}:{port} ({settings}): {reason}") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """`http://host:port`, as bound."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def empty_accept_queue(listening: int) -> None:
    """Stops new connections and waits until those already open are accepted, at most
    ACCEPT_WITHIN_S. `listening`: the descriptor of a listening socket.

    A listener that is simply closed resets the connections in its accept queue, and such a client
    cannot know whether its request was read.
    """
    if not _drop_new_connections(listening):
        return
    await asyncio.sleep(HANDSHAKES_S)
    end = time.monotonic() + ACCEPT_WITHIN_S
    while _accept_queue(listening) and time.monotonic() < end:  # noqa: ASYNC110 - no event for it
        await asyncio.sleep(HANDSHAKES_S)
    # and for the requests of the connections accepted last
    await asyncio.sleep(HANDSHAKES_S)


def _detect_dead_peers(listener: socket.socket) -> None:
    """Accepted connections inherit this. Hypercorn's own pings look at no answer, hold every closed
    WebSocket for one more interval, and its close waits for a reader that never reads."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if option := getattr(socket, name, None):  # not all of them exist everywhere
            listener.setsockopt(socket.IPPROTO_TCP, option, value)


def _drop_new_connections(listening: int) -> bool:
    """Drops the packets that open connections; open ones are still accepted. A new client retries
    after a second and is refused then. Returns whether this system supports it."""
    attach = getattr(socket, "SO_ATTACH_FILTER", 26 if sys.platform == "linux" else None)
    if attach is None:
        return False
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in DROP_SYN))
    listener = socket.socket(fileno=listening)
    try:
        header = struct.pack("HL", len(DROP_SYN), ctypes.addressof(program))
        listener.setsockopt(socket.SOL_SOCKET, attach, header)
    except OSError as error:
        log.debug("late connections may be reset: %s", error)
        return False
    finally:
        listener.detach()
    return True


def _accept_queue(listening: int) -> int:
    """How many open connections wait to be accepted (Linux)."""
    listener = socket.socket(fileno=listening)
    try:
        info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
        return int(struct.unpack_from(UNACKED, info)[0])
    finally:
        listener.detach()
