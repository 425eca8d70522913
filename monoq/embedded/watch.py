"""Keeps the engines alive as long as they have a user: without it, a killed engine would be missed
until the next start. It looks at pid files and processes only, so it costs nothing; it never sends
a query to an engine."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monoq.embedded.engine import Engine

log = logging.getLogger(__name__)

LOOK_S = 0.5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0


@dataclass
class _Gone:
    """An engine that is gone: since when, why it is not back, and when to try again."""

    since: float
    reason: str = ""
    pause_s: float = FIRST_PAUSE_S
    next_try: float = 0.0


class Watch:
    """A thread of its own, so that no event loop waits for a start. Every user watches; `restart`
    says whether it was us."""

    def __init__(
        self,
        engines: Sequence[Engine],
        restart: Callable[[Engine], bool],
        folder_is_there: Callable[[], bool],
    ) -> None:
        self._engines = engines
        self._gone: dict[Engine, _Gone] = {}
        self._restart = restart
        self._folder_is_there = folder_is_there
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begins to watch."""
        threading.Thread(target=self._look_on, name="engines", daemon=True).start()

    def stop(self) -> None:
        """Ends the watch soon: a check in progress finishes."""
        self._stopping.set()

    def _look_on(self) -> None:
        while not self._stopping.wait(LOOK_S):
            if not self._folder_is_there():
                if not self._stopping.is_set():
                    log.error(
                        "the data folder was deleted or replaced: the embedded engines have lost"
                        " their data and are not restarted; stop monoq, then start it again"
                    )
                return
            for engine in self._engines:
                self._look(engine)

    def _look(self, engine: Engine) -> None:
        if engine.pid() is not None:
            if self._gone.pop(engine, None):
                log.info("the embedded %s is back: another process started it", engine.name)
            return
        gone = self._gone.setdefault(engine, _Gone(since=time.monotonic()))
        if time.monotonic() < gone.next_try:
            return
        try:
            started = self._restart(engine)
        except Exception as error:  # noqa: BLE001 - the watch continues after any error
            self._failed(engine, gone, str(error))
            return
        if started:
            away_s = time.monotonic() - gone.since
            log.warning("the embedded %s was gone; restarted after %.1f s", engine.name, away_s)
            del self._gone[engine]

    def _failed(self, engine: Engine, gone: _Gone, reason: str) -> None:
        if self._stopping.is_set():
            return
        if reason != gone.reason:
            log.error("the embedded %s is gone and does not start: %s", engine.name, reason)
        gone.reason = reason
        gone.next_try = time.monotonic() + gone.pause_s
        gone.pause_s = min(2 * gone.pause_s, LONGEST_PAUSE_S)
