"""Folds appended count changes into the totals, so that reading a count stays cheap. Readers add
both: it must never be needed for a right count. Closes and prunes the history that comes of it."""

import time

from monoq.store.counts import CountStore
from monoq.store.history import HistoryStore
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

PERIOD_S = 1.0
BATCH = 10_000  # changes in one statement
# A minute of the history is closed so long after its end: by then what began in it is committed,
# folded, and told by the workers.
LAG_S = 60.0
MINUTES_KEPT_S = 25 * 3600.0
HOURS_KEPT_S = 91 * 86_400.0
CLOSE_EVERY_S = 5.0
PRUNE_EVERY_S = 60.0
PRUNED = 5000  # rows in one statement


class Counter(UpkeepLoop):
    """Folds once a second; in whichever process comes first."""

    name = "counter"

    def __init__(self, counts: CountStore, history: HistoryStore, troubles: Troubles) -> None:
        super().__init__(troubles)
        self._counts = counts
        self._history = history
        self._closed_at = self._pruned_at = float("-inf")

    async def look(self) -> None:
        """Folds appended rows, and closes minutes that can get no more."""
        while await self._counts.fold_counts(BATCH) == BATCH and not self.stopping.is_set():
            pass
        now = time.monotonic()
        if now >= self._closed_at + CLOSE_EVERY_S:
            self._closed_at = now
            while await self._history.close_minute(LAG_S) and not self.stopping.is_set():
                pass
        if now >= self._pruned_at + PRUNE_EVERY_S:
            self._pruned_at = now
            await self._history.prune_history(MINUTES_KEPT_S, HOURS_KEPT_S, PRUNED)

    async def rest(self) -> None:
        await self.pause(PERIOD_S)
