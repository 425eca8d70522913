"""The viewers of the totals of all tenants, and their messages. Pure; it must cost the same however
many watch: a message is encoded once."""

import asyncio
from collections import deque
from typing import Any, Protocol

import orjson

TOPIC = "totals"
KEPT = 300  # samples: five minutes while there are viewers


class TotalsViewer(Protocol):
    """One socket that watches the totals. Nothing here may block."""

    def offer_totals(self, text: str) -> None:
        """Takes the newest message, in place of one that still waits."""


class TotalsBoard:
    """One per process. `arrived` is set when a viewer arrives and has no recent message."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self._viewers: set[TotalsViewer] = set()
        self._samples: deque[list[int]] = deque(maxlen=KEPT)
        self._welcome = ""
        self._newest = ""

    @property
    def watched(self) -> bool:
        """Whether there are viewers."""
        return bool(self._viewers)

    def add(self, viewer: TotalsViewer) -> str:
        """Registers a viewer; returns the answer to its SUBSCRIBE, with the samples of the last
        minutes."""
        self._viewers.add(viewer)
        self.arrived.set()
        if not self._welcome:
            fields = ["at", "pending", "running", "completed", "failed", "cancelled"]
            history = {"fields": fields, "samples": list(self._samples)}
            self._welcome = orjson.dumps(
                {"type": "SUBSCRIBED", "topic": TOPIC, "history": history}
            ).decode()
        if self._newest:
            viewer.offer_totals(self._newest)  # UNWATCHED_S old at most, and it says of when it is
        return self._welcome

    def remove(self, viewer: TotalsViewer) -> None:
        """Ends `add`; harmless if there was none."""
        self._viewers.discard(viewer)

    def sample(self, at_ms: int, counts: list[int]) -> None:
        """Keeps what was counted at a moment, for viewers to come."""
        self._samples.append([at_ms, *counts])
        self._welcome = ""

    def tell(self, message: dict[str, Any]) -> None:
        """Sends a message to every viewer, and to those who arrive before the next message."""
        self._newest = orjson.dumps({"type": "TOTALS", **message}).decode()
        for viewer in tuple(self._viewers):
            viewer.offer_totals(self._newest)
