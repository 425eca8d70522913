"""Knows which viewers of this process watch which tenant, and sends them its changes. A version
must never go back, in whatever order messages arrive."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from monoq.live.change import Change
from monoq.live.cursor import Cursor, Horizon
from monoq.live.note import Note, decode_notes
from monoq.live.wire import decode_changes, read_message

REMEMBERED = 100_000  # versions kept, at least, in each of two generations: 20 MB when full


class Viewer(Protocol):
    """A subscription to a tenant, as the hub sees it. Nothing here may block."""

    def offer(self, changes: Sequence[Change]) -> None:
        """Takes changes of the tenant it watches, each newer than any before it."""

    def leave(self) -> None:
        """Closes the viewer: what it missed cannot be sent, or the database was replaced."""


class Follower(Viewer, Protocol):
    """A viewer that wants cursors as well."""

    def advance(self, horizon: Horizon, cursor: str) -> None:
        """All changes below this horizon were offered, or are older than the subscription."""


class Listener(Viewer, Protocol):
    """A viewer that wants to know what running jobs say of themselves."""

    def note(self, note: Note) -> None:
        """Takes what a job of the tenant has said; it is shared with others, and not to be
        changed."""


class Hub:
    """One per process: a message is decoded and encoded once, however many sockets watch."""

    def __init__(self) -> None:
        self._viewers: dict[str, set[Viewer]] = {}
        self._followers: dict[str, set[Follower]] = {}
        self._listeners: dict[str, set[Listener]] = {}
        self._versions: dict[str, int] = {}
        self._older_versions: dict[str, int] = {}
        self.horizon: Horizon | None = None  # durable; None until it is known
        self._horizon_known = asyncio.Event()

    def add(self, tenant_id: str, viewer: Viewer) -> None:
        """Registers a viewer for the tenant's changes."""
        self._viewers.setdefault(tenant_id, set()).add(viewer)

    def follow(self, tenant_id: str, follower: Follower) -> None:
        """Registers a viewer for cursors as well."""
        self._followers.setdefault(tenant_id, set()).add(follower)

    def listen(self, tenant_id: str, listener: Listener) -> None:
        """Registers a viewer for notes as well."""
        self._listeners.setdefault(tenant_id, set()).add(listener)

    def remove(self, tenant_id: str, viewer: Viewer) -> None:
        """Ends `add`, `follow` and `listen`; harmless if there was none."""
        for watching in (self._viewers, self._followers, self._listeners):
            if viewers := watching.get(tenant_id):
                viewers.discard(viewer)
                if not viewers:
                    del watching[tenant_id]

    async def can_vouch(self, patience_s: float) -> bool:
        """Whether a horizon is known within `patience_s` seconds. Without one, changes that a
        viewer misses from now on could not be found again."""
        if self.horizon is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._horizon_known.wait()
        return self.horizon is not None

    @property
    def tenants(self) -> list[str]:
        """The tenants with a viewer here."""
        return list(self._viewers)

    def deliver(self, message: bytes) -> None:
        """Hands a message of the channel to the viewers of its tenant; raises InvalidJson for
        junk."""
        fields = read_message(message)
        if "notes" in fields:
            for note in decode_notes(fields, self._listeners):
                for listener in tuple(self._listeners[fields["tenantId"]]):
                    listener.note(note)
        elif changes := decode_changes(fields, self._viewers):
            tenant_id = changes[0].tenant_id
            self._offer(changes, self._viewers[tenant_id])

    def tell(self, change: Change) -> None:
        """Hands on a change that was read from the table."""
        if viewers := self._viewers.get(change.tenant_id):
            self._offer([change], viewers)

    def learn(self, tenant_id: str, changes: Sequence[Change], returning: Iterable[Viewer]) -> None:
        """Takes the changes read for `returning` viewers, who get all of them in their replays.
        From now on no older version of it is sent, so the other viewers get what is news to
        them."""
        self._offer(changes, self._viewers.get(tenant_id, set()).difference(returning))

    def _offer(self, changes: Sequence[Change], viewers: Collection[Viewer]) -> None:
        news = [change for change in changes if self._is_news(change.job_id, change.version)]
        if news:
            for viewer in tuple(viewers):
                viewer.offer(news)

    def advance(self, horizon: Horizon) -> None:
        """Every viewer was sent, or has read, all changes below this durable horizon."""
        self.horizon = horizon
        self._horizon_known.set()
        for tenant_id, followers in self._followers.items():
            cursor = str(Cursor(*horizon, tenant_id))
            for follower in followers:
                follower.advance(horizon, cursor)

    def start_over(self) -> None:
        """The database was replaced or restored: versions and cursors known here are void."""
        self.horizon = None
        self._horizon_known.clear()
        self._versions, self._older_versions = {}, {}
        for tenant_id in self.tenants:
            self.send_away(tenant_id)

    def send_away(self, tenant_id: str) -> None:
        """Closes the viewers of a tenant: what they missed cannot be sent, so they must read the
        table."""
        for viewer in tuple(self._viewers.get(tenant_id, ())):
            viewer.leave()

    def known(self, job_id: str) -> int:
        """The newest version of the job that was sent from here; 0 if none, or long ago."""
        return self._versions.get(job_id) or self._older_versions.get(job_id, 0)

    def _is_news(self, job_id: str, version: int) -> bool:
        if version <= self.known(job_id):
            return False
        self._versions[job_id] = version
        if len(self._versions) > REMEMBERED:
            self._older_versions, self._versions = self._versions, {}
        return True
