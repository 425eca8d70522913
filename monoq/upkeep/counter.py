"""Folds appended count changes into the totals, so that reading a count stays cheap. Readers add
both: it must never be needed for a right count."""

from monoq.store.counts import CountStore
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

PERIOD_S = 1.0
BATCH = 20_000  # changes in one statement


class Counter(UpkeepLoop):
    """Folds once a second; in whichever process comes first."""

    name = "counter"

    def __init__(self, counts: CountStore, troubles: Troubles) -> None:
        super().__init__(troubles)
        self._counts = counts

    async def look(self) -> None:
        """Folds what was appended."""
        while await self._counts.fold_counts(BATCH) == BATCH and not self.stopping.is_set():
            pass

    async def rest(self) -> None:
        await self.pause(PERIOD_S)
