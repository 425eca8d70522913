"""Calls per endpoint: how many at once, and none while it is dead. For one event loop. It must
never let a dead endpoint keep more than a few of a worker's slots."""

import asyncio
import logging
import random
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from monoq.outgoing.board import Board, Shown
from monoq.outgoing.breaker import FIRST_PAUSE_S, HUNG_CALLS, Breaker, State
from monoq.outgoing.urls import Endpoint

log = logging.getLogger(__name__)

CALLS = 20  # at once to one endpoint
WAITING = 20  # for one of these to end; more are sent away
WAIT_S = 5.0
LOOK_S = 0.25
BACK_PER_S = 50.0  # how many deferred calls to a dead endpoint are retried per second
SOON_S = 0.5
LONGEST_S = 300.0  # for which one is sent away
REMEMBERED = 10_000  # endpoints


class Busy(Exception):  # noqa: N818 - nothing went wrong
    """The endpoint must not be called now; retry after `delay_s` seconds."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"retry after {delay_s:.1f} s")
        self.delay_s = delay_s


class Call:
    """A call in progress. Report how it ended; a call without a report was cancelled."""

    def __init__(self, *, probe: bool) -> None:
        self.began = time.monotonic()
        self.probe = probe
        self.answer: int | None = None  # its HTTP status
        self.silence: str | None = None  # why there was none

    @property
    def took_s(self) -> float:
        return time.monotonic() - self.began


class _Line:
    """An endpoint, its calls in the order of their start, and those that wait."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.breaker = Breaker()
        self.calls: dict[Call, None] = {}
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.back_at = 0.0  # when the last deferred call is retried
        self.mean_s = 0.1  # of a call

    @property
    def idle(self) -> bool:
        return not self.calls and not self.waiting and self.breaker.at_ease


class Endpoints:
    """At most CALLS at once to each endpoint, WAITING more that wait for a moment; all others get
    Busy, and so does everyone while the endpoint's breaker is open."""

    def __init__(self, board: Board | None = None) -> None:
        self._board = board
        self._lines: OrderedDict[Endpoint, _Line] = OrderedDict()
        self._calling: set[_Line] = set()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While this is entered, endpoints that hang are noticed."""
        if self._board:
            self._board.clear()  # an event loop that was given up has left its own there
        watch = asyncio.create_task(self._watch(), name="breakers")
        try:
            yield
        finally:
            watch.cancel()
            if self._board:
                self._board.clear()

    @asynccontextmanager
    async def call(self, endpoint: Endpoint) -> AsyncIterator[Call]:
        """A call, from its beginning to its end; raises Busy."""
        line = self._line(endpoint)
        if len(line.calls) >= CALLS and line.breaker.state is State.CLOSED:
            await self._wait(line)
        now = time.monotonic()
        before = line.breaker.state
        if not line.breaker.may_call(now):
            raise Busy(self._sent_away(line, now))
        call = Call(probe=before is not State.CLOSED)
        self._say(line, before)
        line.calls[call] = None
        self._calling.add(line)
        try:
            yield call
        finally:
            self._ended(line, call)

    def _line(self, endpoint: Endpoint) -> _Line:
        if (line := self._lines.get(endpoint)) is None:
            line = self._lines[endpoint] = _Line(endpoint)
            for _ in range(min(2, len(self._lines) - REMEMBERED)):
                oldest, other = next(iter(self._lines.items()))
                if other.idle and other is not line:
                    del self._lines[oldest]
                else:
                    self._lines.move_to_end(oldest)
        else:
            self._lines.move_to_end(endpoint)
        return line

    async def _wait(self, line: _Line) -> None:
        if len(line.waiting) >= WAITING:
            raise Busy(self._sent_away(line, time.monotonic()))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            async with asyncio.timeout(WAIT_S):
                while len(line.calls) >= CALLS and line.breaker.state is State.CLOSED:
                    await turn
                    turn = asyncio.get_running_loop().create_future()
                    line.waiting.appendleft(turn)
        except TimeoutError:
            raise Busy(self._sent_away(line, time.monotonic())) from None
        finally:
            if turn in line.waiting:
                line.waiting.remove(turn)

    def _ended(self, line: _Line, call: Call) -> None:
        now = time.monotonic()
        before = line.breaker.state
        del line.calls[call]
        if not line.calls:
            self._calling.discard(line)
        if call.answer is not None:
            line.mean_s += 0.1 * (call.took_s - line.mean_s)
            line.breaker.answered(now, call.took_s, failed=call.answer >= 500)
        elif call.silence is not None:
            line.breaker.was_silent(now, call.silence, probe=call.probe)
        elif call.probe:
            line.breaker.gave_up(now)
        self._say(line, before)
        self._next(line)

    def _next(self, line: _Line) -> None:
        """The longest-waiting call may go; while the breaker is open, all are deferred."""
        while line.waiting:
            turn = line.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                if line.breaker.state is State.CLOSED:
                    return

    def _sent_away(self, line: _Line, now: float) -> float:
        """For how many seconds. One after the other: calls that are retried together would be
        deferred again."""
        breaker = line.breaker
        if breaker.state is State.CLOSED:
            earliest, step = now + SOON_S, line.mean_s / CALLS
        else:
            probe_at = breaker.probe_at if breaker.state is State.OPEN else now + FIRST_PAUSE_S
            earliest, step = probe_at, 1 / BACK_PER_S
        line.back_at = min(max(line.back_at + step, earliest), now + LONGEST_S)
        return max(line.back_at - now, 0.05) * random.uniform(1, 1.05)  # noqa: S311 - spreads load

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            for line in [line for line in self._calling if len(line.calls) >= HUNG_CALLS]:
                before = line.breaker.state
                for place, call in enumerate(line.calls, 1):
                    if place == HUNG_CALLS:
                        line.breaker.look(now, call.began)
                        break
                if line.breaker.state is not before:
                    self._say(line, before)
                    self._next(line)

    def _say(self, line: _Line, before: State) -> None:
        breaker = line.breaker
        if breaker.state is before:
            return
        now = time.monotonic()
        if breaker.state is State.OPEN:
            line.back_at = breaker.probe_at
            (log.warning if before is State.CLOSED else log.info)(
                "%s is not called for %.0f s: %s",
                line.endpoint,
                breaker.probe_at - now,
                breaker.reason,
            )
        elif breaker.state is State.CLOSED:
            line.back_at = now
            log.warning("%s answers again; its breaker is closed", line.endpoint)
        if self._board:
            self._board.show(
                Shown(
                    str(line.endpoint),
                    breaker.state,
                    breaker.since,
                    breaker.reason,
                    breaker.probe_at,
                )
            )
