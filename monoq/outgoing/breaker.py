"""When an endpoint is not to be called for a while. Pure: times are arguments, in seconds on one
clock."""

from enum import StrEnum

SILENT_CALLS = 5  # in a row, that got no answer
FAILED_CALLS = 20  # in a row, that were answered with a server's error
HUNG_CALLS = 3  # that wait at once
PATIENCE_S = 3.0  # for which they wait
FIRST_PAUSE_S = 5.0  # until the first probe; doubled after each that fails
LONGEST_PAUSE_S = 60.0
RELAPSE_S = 60.0  # an endpoint that fails again so soon is probed less often than at first
FADE = 0.98  # how long a slow answer is remembered


class State(StrEnum):
    """CLOSED: calls go through. OPEN: none does. HALF_OPEN: one does, the probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Opens when an endpoint is dead: SILENT_CALLS in a row got no answer, HUNG_CALLS wait and
    nothing has come for PATIENCE_S (longer for one whose answers take long), or FAILED_CALLS in a
    row ended in a server's error. Then one call at a time is a probe; an answer closes it."""

    def __init__(self) -> None:
        self.state = State.CLOSED
        self.since = 0.0
        self.reason = ""
        self.probe_at = 0.0  # when it may be called again
        self._pause_s = FIRST_PAUSE_S
        self._silent = 0
        self._failed = 0
        self._answered_at = 0.0
        self._slowest_s = 0.0

    @property
    def at_ease(self) -> bool:
        """Whether nothing is lost if it is forgotten."""
        return self.state is State.CLOSED and not self._silent and not self._failed

    def may_call(self, now: float) -> bool:
        """Whether a call may begin. Of an open one, the first call at `probe_at` becomes the
        probe."""
        if self.state is State.OPEN and now >= self.probe_at:
            self._become(State.HALF_OPEN, now)
            return True
        return self.state is State.CLOSED

    def answered(self, now: float, took_s: float, *, failed: bool) -> None:
        """An answer came; `failed`: a server's error, 500 to 599."""
        self._silent = 0
        self._answered_at = now
        self._slowest_s = max(took_s, self._slowest_s * FADE)
        self._failed = self._failed + 1 if failed else 0
        if not failed:
            if self.state is not State.CLOSED:
                self._become(State.CLOSED, now)
        elif self.state is State.HALF_OPEN:
            self._open(now, self.reason)
        elif self._failed >= FAILED_CALLS and self.state is State.CLOSED:
            self._open(now, f"{self._failed} answers in a row were errors of the server")

    def was_silent(self, now: float, why: str, *, probe: bool) -> None:
        """A call ended without an answer."""
        self._silent += 1
        if self.state is State.HALF_OPEN and probe:
            self._open(now, why)
        elif self.state is State.CLOSED and self._silent >= SILENT_CALLS:
            self._open(now, f"{self._silent} calls in a row got no answer; the last: {why}")

    def gave_up(self, now: float) -> None:
        """The probe was cancelled: the next call is one."""
        if self.state is State.HALF_OPEN:
            self.state, self.probe_at = State.OPEN, now

    def look(self, now: float, waiting_since: float) -> None:
        """`waiting_since`: for how long HUNG_CALLS calls have been waiting."""
        silent_s = now - max(waiting_since, self._answered_at)
        if self.state is State.CLOSED and silent_s >= max(PATIENCE_S, 2 * self._slowest_s):
            self._open(now, f"no answer for {silent_s:.1f} s while calls wait")

    def _open(self, now: float, reason: str) -> None:
        again = self.state is not State.CLOSED or (self.since and now - self.since < RELAPSE_S)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S) if again else FIRST_PAUSE_S
        self.reason = reason
        self.probe_at = now + self._pause_s
        self._become(State.OPEN, now)

    def _become(self, state: State, now: float) -> None:
        if State.CLOSED in (state, self.state):  # between a probe and the next it is the same one
            self.since = now
        self.state = state
        if state is State.CLOSED:
            self._silent = self._failed = 0
