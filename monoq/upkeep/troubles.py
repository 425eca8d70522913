"""Failures of upkeep loops: a metric for each, and log lines when they begin, continue and end."""

import logging
import time
from dataclasses import dataclass

from monoq.errors import QueueUnavailable
from monoq.observe.metrics import Metrics

log = logging.getLogger(__name__)

# A single pass may fail for a moment, at a restart of an engine; a lasting failure is reported.
NEWS_AFTER_S = 1.0
AGAIN_AFTER_S = 60.0


@dataclass
class _Trouble:
    since: float
    logged_at: float | None = None


class Troubles:
    """One for the loops of a process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._troubles: dict[str, _Trouble] = {}

    def note(self, name: str, error: Exception) -> None:
        """A pass of the loop `name` failed."""
        self._metrics.upkeep_failed(name)
        now = time.monotonic()
        trouble = self._troubles.setdefault(name, _Trouble(since=now))
        if isinstance(error, QueueUnavailable):
            return  # the publisher and the fetcher report a Redis that is away
        logged_at = trouble.logged_at
        if logged_at is None and now - trouble.since < NEWS_AFTER_S:
            return
        if logged_at is None or now - logged_at >= AGAIN_AFTER_S:
            trouble.logged_at = now
            failing_for = now - trouble.since
            log.warning("the %s has failed for %.0f s: %s", name, failing_for, _one_line(error))

    def over(self, name: str) -> None:
        """A pass of the loop `name` went well."""
        trouble = self._troubles.pop(name, None)
        if trouble and trouble.logged_at is not None:
            log.warning("the %s works again after %.1f s", name, time.monotonic() - trouble.since)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
