"""Who watches which tenant in this process, and what each of them is told.
A version must never go back, whatever order messages come in."""

from collections.abc import Iterable
from typing import Protocol

import orjson

from monoq.live.wire import Change, decode_message

REMEMBERED = 100_000  # versions kept, at least, in each of two generations: 20 MB when full


class Viewer(Protocol):
    """A socket, as the hub sees it."""

    def offer(self, tenant_id: str, updates: Iterable[tuple[str, str]]) -> None:
        """Takes (job id, update as JSON) pairs; must not block."""


class Hub:
    """One per process: a message is decoded and encoded once, however many sockets watch."""

    def __init__(self) -> None:
        self._viewers: dict[str, set[Viewer]] = {}
        self._versions: dict[str, int] = {}
        self._older_versions: dict[str, int] = {}

    def add(self, tenant_id: str, viewer: Viewer) -> None:
        """From now on the viewer is told of the tenant's changes."""
        self._viewers.setdefault(tenant_id, set()).add(viewer)

    def remove(self, tenant_id: str, viewer: Viewer) -> None:
        """Ends `add`; harmless if there was none."""
        if viewers := self._viewers.get(tenant_id):
            viewers.discard(viewer)
            if not viewers:
                del self._viewers[tenant_id]

    @property
    def tenants(self) -> list[str]:
        """The tenants that somebody watches here."""
        return list(self._viewers)

    def deliver(self, message: bytes) -> None:
        """Hands a message of the channel to the viewers of its tenant; raises InvalidJson for junk."""
        changes = decode_message(message)
        viewers = self._viewers.get(changes[0].tenant_id) if changes else None
        if not viewers:
            return
        news = [(c.job_id, orjson.dumps(c.update()).decode()) for c in changes if self._is_news(c.job_id, c.version)]
        for viewer in tuple(viewers):
            viewer.offer(changes[0].tenant_id, news)

    def tell(self, change: Change) -> None:
        """Hands on a change that was read from the table."""
        viewers = self._viewers.get(change.tenant_id)
        if viewers and self._is_news(change.job_id, change.version):
            news = [(change.job_id, orjson.dumps(change.update()).decode())]
            for viewer in tuple(viewers):
                viewer.offer(change.tenant_id, news)

    def _is_news(self, job_id: str, version: int) -> bool:
        known = self._versions.get(job_id) or self._older_versions.get(job_id, 0)
        if version <= known:
            return False
        self._versions[job_id] = version
        if len(self._versions) > REMEMBERED:
            self._older_versions, self._versions = self._versions, {}
        return True
