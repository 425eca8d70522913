"""How many connections this process accepts: fewer than its file descriptors, so that some are left
for engines and files. It must not look into a connection."""

import resource
from typing import Protocol

RESERVE = 128  # descriptors for engines and files


class Connection(Protocol):
    """What can be closed."""

    def cut(self) -> None: ...


class Connections:
    """The open connections, and the idle ones among them, longest idle first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: set[Connection] = set()
        self._idle: dict[Connection, None] = {}

    def enter(self, connection: Connection) -> bool:
        """Adds a connection, in place of the longest idle one if there are too many. False: it is
        refused."""
        if len(self._open) >= self._limit:
            if not self._idle:
                return False
            longest = next(iter(self._idle))
            self.leave(longest)
            longest.cut()
        self._open.add(connection)
        self.set_idle(connection, True)
        return True

    def set_idle(self, connection: Connection, idle: bool) -> None:
        """Whether it waits for a request."""
        self._idle.pop(connection, None)
        if idle and connection in self._open:
            self._idle[connection] = None

    def leave(self, connection: Connection) -> None:
        """It is closed."""
        self._open.discard(connection)
        self._idle.pop(connection, None)


def max_connections() -> int:
    """How many connections this process may have, leaving room for those that were accepted but are
    not counted yet."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(limit - RESERVE - max_backlog(limit), limit // 2)


def max_backlog(wanted: int) -> int:
    """How many connections may wait to be accepted, at most `wanted`: a loop accepts them all at
    once, before any is counted."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(wanted, limit // 8)
