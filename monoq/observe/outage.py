"""Logs an outage twice: its first error, and the recovery with its duration. Retries in between are
not logged."""

import logging
import time


class Outage:
    """One per kind of work that an engine can interrupt; `work` is how the log calls it.

    >>> outage = Outage(log, "heartbeat")
    >>> outage.failed(error)  # "heartbeat failed: connection refused"
    >>> outage.over()  # "heartbeat restored after 2.5 s"
    """

    def __init__(self, log: logging.Logger, work: str) -> None:
        self._log = log
        self._work = work
        self._since: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether the last attempt failed."""
        return self._since is not None

    def failed(self, error: object) -> None:
        """An attempt failed."""
        if self._since is None:
            self._since = time.monotonic()
            self._log.warning("%s failed: %s", self._work, error)

    def over(self) -> None:
        """An attempt succeeded."""
        if self._since is not None:
            down_s = time.monotonic() - self._since
            self._log.warning("%s restored after %.1f s", self._work, down_s)
            self._since = None
