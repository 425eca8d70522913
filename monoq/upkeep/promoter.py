"""Moves delayed jobs to the waiting ones when they are due. It must read only those that are
due."""

import time
from datetime import UTC, datetime, timedelta

from monoq.store.jobs import JobStore
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

BATCH = 5000
SHORTEST_S = 0.001  # between two looks
PERIOD_S = 0.25  # a job that is due sooner than the next known one may have been stored
MARGIN_S, WHOLE_EVERY_S, WHOLE_SHARE = 1.0, 1.0, 20  # as of monoq/store/due.py
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


class Promoter(UpkeepLoop):
    """Runs in every process; one at a time does the work."""

    name = "promoter"

    def __init__(self, jobs: JobStore, troubles: Troubles) -> None:
        super().__init__(troubles)
        self._jobs = jobs
        self._since = EARLIEST
        self._whole_at = 0.0
        self._next_s = 0.0

    async def look(self) -> None:
        """Promotes a batch."""
        began = time.monotonic()
        whole = began >= self._whole_at
        try:
            since = EARLIEST if whole else self._since
            promoted = await self._jobs.promote_delayed_jobs(BATCH, since)
        finally:
            if whole:
                took = time.monotonic() - began
                self._whole_at = began + took + max(WHOLE_EVERY_S, WHOLE_SHARE * took)
        if promoted.last is not None:
            self._since = max(self._since, promoted.last - timedelta(seconds=MARGIN_S))
        next_in_s = PERIOD_S if promoted.next_in_s is None else max(promoted.next_in_s, SHORTEST_S)
        self._next_s = 0.0 if promoted.due == BATCH else min(next_in_s, PERIOD_S)

    async def rest(self) -> None:
        await self.pause(self._next_s)
