"""The breakers of this process as others see them: written in the handlers' thread, read in the
main one."""

import threading
from collections import Counter
from typing import NamedTuple

from monoq.outgoing.breaker import State

SHOWN_AFTER_S = 3600.0  # for which a breaker that has closed is still shown
MAX_SHOWN = 1000


class Shown(NamedTuple):
    """A breaker: `since` when it is open, or closed, and when the next probe may be; both on the
    monotonic clock."""

    endpoint: str
    state: State
    since: float
    reason: str
    probe_at: float


class Board:
    """What each breaker that was ever opened is now, and how often they changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[str, Shown] = {}
        self._changes: Counter[State] = Counter()
        self.version = 0  # grows with each change

    @property
    def open(self) -> int:
        """How many are not closed."""
        with self._lock:
            return sum(one.state is not State.CLOSED for one in self._shown.values())

    def show(self, one: Shown) -> None:
        """A breaker has changed."""
        with self._lock:
            self._shown.pop(one.endpoint, None)
            self._shown[one.endpoint] = one  # the newest is last
            while len(self._shown) > MAX_SHOWN:
                del self._shown[next(iter(self._shown))]
            self._changes[one.state] += 1
            self.version += 1

    def clear(self) -> None:
        """Nothing is known any more of what was shown."""
        with self._lock:
            self._shown.clear()
            self.version += 1

    def read(self, now: float) -> list[Shown]:
        """All that is to be shown at this time."""
        with self._lock:
            return [
                one
                for one in self._shown.values()
                if one.state is not State.CLOSED or now - one.since < SHOWN_AFTER_S
            ]

    def take_changes(self) -> "Counter[State]":
        """How many breakers entered each state since the last call."""
        with self._lock:
            changes, self._changes = self._changes, Counter()
            return changes
