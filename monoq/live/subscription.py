"""What one socket gets of one tenant: a replay of what it missed, then the newest state of each
job, and how far that goes. A cursor must never leave before everything that it covers."""

import random
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple, Protocol

import orjson

from monoq.live.change import Change
from monoq.live.cursor import Cursor, Horizon
from monoq.live.hub import Hub
from monoq.live.note import Note
from monoq.live.wire import updates_frame

PACKED = 500  # updates in one UPDATES frame
PACKED_NOTES = 100  # notes that go out in one turn
MAX_NOTES = 1000  # jobs whose notes wait for one reader
# without a change for this long a cursor is sent alone, so that no viewer returns with an old one
SILENT_CURSOR_S = 30.0


class Replays(Protocol):
    """Reads what subscribers have missed."""

    def ask(self, subscription: "Subscription") -> None:
        """Soon its `catch_up` or `reset` is called. It must be known to the hub already: what
        changes later, that tells it."""


class Socket(Protocol):
    """What a subscription needs of its socket."""

    def say(self, text: str) -> None:
        """Sends this before any news."""

    def wake(self, subscription: "Subscription") -> None:
        """There is something to send."""

    def count(self, more: int) -> None:
        """So many jobs more than before wait, or fewer."""

    def leave(self) -> None:
        """Resets the client: it starts again as if new."""


class _Mark(NamedTuple):
    """A cursor, and how many of the jobs that wait must be sent before it."""

    horizon: Horizon
    cursor: str
    behind: int


class Subscription:
    """A viewer of the hub. `follows`: it wants cursors; `since`: what it said of where it stands,
    None: nothing known. `progress`: it wants to know what running jobs say of themselves; `log`:
    the job whose lines it wants, too."""

    def __init__(
        self,
        tenant_id: str,
        socket: Socket,
        hub: Hub,
        replays: Replays,
        *,
        batched: bool,
        follows: bool,
        since: Any,
        progress: bool = False,
        log: str | None = None,
    ) -> None:
        self.tenant_id = tenant_id
        self.is_open = True
        self.xid = 0  # of the newest cursor that the client has; it never gets an older one
        self._socket = socket
        self._hub = hub
        self._replays = replays
        self._batched = batched
        self._follows = follows
        self._since = since
        self._progress = progress
        self._log = log
        self._notes: dict[str, Note] = {}  # by job
        self._begun = False
        # job id → newest change, in the order in which they came
        self._news: dict[str, Change] = {}
        self._replay: Sequence[Change] | None = None
        self._position = 0  # in the replay
        self._catching_up = False  # from the asking for a replay to its last frame
        self._mark: _Mark | None = None
        self._alone_at = 0.0  # when a cursor goes out without updates

    def open(self, before: "Subscription | None") -> None:
        """Registers with the hub. `before` is the socket's last subscription to this tenant."""
        self._hub.add(self.tenant_id, self)
        if before:
            before.is_open = False
            self._hub.remove(self.tenant_id, before)
            self._news = before._news
            self._socket.wake(self)
        if self._progress or self._log:
            self._hub.listen(self.tenant_id, self)
        if self._follows:
            self._hub.follow(self.tenant_id, self)
            self._begin()
        elif self._batched:
            self._say("SUBSCRIBED")

    def close(self) -> None:
        """Ends it; what waits is dropped."""
        self.is_open = False
        self._hub.remove(self.tenant_id, self)
        self._socket.count(-len(self._news))
        self._news = {}

    def offer(self, changes: Sequence[Change]) -> None:
        """Takes news from the hub; an older version that still waits is replaced in place."""
        waiting = len(self._news)
        self._news.update((change.job_id, change) for change in changes)
        self._socket.count(len(self._news) - waiting)
        self._socket.wake(self)

    def note(self, note: Note) -> None:
        """Takes what a job says of itself. A reader that is behind gets the newest of each job;
        with too many jobs, it does without those that speak next."""
        if not self._progress and note.job_id != self._log:
            return
        if (waiting := self._notes.get(note.job_id)) is not None:
            waiting.add(note)
        elif len(self._notes) < MAX_NOTES:
            self._notes[note.job_id] = replace(note)
            self._socket.wake(self)

    def leave(self) -> None:
        """The client must start over."""
        self._socket.leave()

    def advance(self, horizon: Horizon, cursor: str) -> None:
        """Takes a newer cursor, to be sent after what waits now. A cursor that still waits its turn
        is not replaced, or none would ever go out."""
        if not self._begun:
            self._begin()
        elif not self._catching_up and horizon.xid > self.xid:
            if self._mark is None or not self._news:
                self._mark = _Mark(horizon, cursor, len(self._news))
            if time.monotonic() >= self._alone_at:
                self._socket.wake(self)

    def catch_up(self, missed: Sequence[Change], horizon: Horizon) -> None:
        """What changed since its cursor, or earlier, in the order of transactions; read after it
        was known to the hub, and after `horizon` was durable."""
        self._replay, self._position = (
            missed,
            bisect_left(missed, self.xid, key=lambda change: change.xid),
        )
        horizon = max(horizon, horizon._replace(xid=self.xid))
        # sent in any case: it ends the replay
        self._mark, self._alone_at = _Mark(horizon, str(Cursor(*horizon, self.tenant_id)), 0), 0.0
        self._socket.wake(self)

    def reset(self) -> None:
        """The client's cursor cannot be honoured: it must read the table, and continues from a new
        cursor."""
        self._catching_up, self._mark = False, None
        self._say("RESET", cursor=self._stand_here())

    def next_frames(self) -> list[str]:
        """What to send next; nothing, if nothing waits."""
        updates = self._next_replayed() if self._replay is not None else self._next_news()
        cursor = self._due_cursor(bool(updates))
        notes = self._next_notes()
        if self._batched:
            packed = [updates_frame(self.tenant_id, updates, cursor)] if updates or cursor else []
            return [*packed, *notes]
        if cursor:
            updates = [*updates, updates_frame(self.tenant_id, (), cursor)]
        return [*updates, *notes]

    @property
    def has_more(self) -> bool:
        """Whether `next_frames` has more."""
        return bool(self._news or self._notes) or self._replay is not None

    def _begin(self) -> None:
        """Answers SUBSCRIBE, once a horizon is known."""
        horizon = self._hub.horizon
        if horizon is None:
            return
        self._begun = True
        cursor = Cursor.parse(self._since)
        if self._since is None:
            self._say("SUBSCRIBED", cursor=self._stand_here())
        elif cursor is None or (cursor.stream, cursor.tenant_id) != (
            horizon.stream,
            self.tenant_id,
        ):
            self.reset()
        else:
            self.xid = cursor.xid
            self._catching_up = True
            self._say("SUBSCRIBED", cursor=self._since)
            self._replays.ask(self)

    def _stand_here(self) -> str:
        """A cursor for a client that reads the table next: the table has everything below a horizon
        that was known before the read."""
        assert self._hub.horizon
        self.xid = self._hub.horizon.xid
        self._count_silence()
        return str(Cursor(*self._hub.horizon, self.tenant_id))

    def _next_news(self) -> list[str]:
        jobs = list(islice(self._news, PACKED))
        updates = [self._news.pop(job_id).text for job_id in jobs]
        self._socket.count(-len(jobs))
        if self._mark:
            self._mark = self._mark._replace(behind=self._mark.behind - len(jobs))
        return updates

    def _next_notes(self) -> list[str]:
        frames: list[str] = []
        for job_id in list(islice(self._notes, PACKED_NOTES)):
            note = self._notes.pop(job_id)
            if frame := note.frame(self.tenant_id, with_lines=job_id == self._log):
                frames.append(frame)
        return frames

    def _next_replayed(self) -> list[str]:
        """A page of the replay, without versions older than those that wait as news; news that it
        outdates are dropped."""
        assert self._replay is not None
        page = [
            change
            for change in self._replay[self._position : self._position + PACKED]
            if change.version >= self._hub.known(change.job_id)
        ]
        waiting = len(self._news)
        for change in page:
            self._news.pop(change.job_id, None)
        self._socket.count(len(self._news) - waiting)
        self._position += PACKED
        if self._position >= len(self._replay):
            self._replay, self._catching_up = None, False
        return [change.text for change in page]

    def _due_cursor(self, with_updates: bool) -> str | None:
        if self._mark is None or self._mark.behind > 0 or self._catching_up:
            return None
        if not with_updates and time.monotonic() < self._alone_at:
            return None
        mark, self._mark = self._mark, None
        self.xid = mark.horizon.xid
        self._count_silence()
        return mark.cursor

    def _count_silence(self) -> None:
        spread = random.uniform(0.5, 1)  # noqa: S311 - not all sockets at once
        self._alone_at = time.monotonic() + SILENT_CURSOR_S * spread

    def _say(self, kind: str, **more: Any) -> None:
        self._socket.say(orjson.dumps({"type": kind, "tenantId": self.tenant_id, **more}).decode())
