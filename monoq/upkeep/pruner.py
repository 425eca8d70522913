"""Deletes old rows of changes: a viewer that was away for longer reads the table. It must never
remove a job."""

from monoq.store.stream import StreamStore
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

KEPT_S = 3600.0  # for this long, at most twice as long, a returning viewer can get a change
PERIOD_S = 60.0
BATCH = 5000  # rows in one statement
REST_S = 0.2  # between two of them: there is no hurry


class Pruner(UpkeepLoop):
    """Every process looks whether it is time; the first one does it."""

    name = "pruner"

    def __init__(self, stream: StreamStore, troubles: Troubles) -> None:
        super().__init__(troubles)
        self._stream = stream

    async def look(self) -> None:
        """Removes what need not be kept. What a crash leaves behind goes the next time."""
        if await self._stream.retire_changes(KEPT_S):
            while not self.stopping.is_set() and await self._stream.prune_changes(BATCH) == BATCH:
                await self.pause(REST_S)

    async def rest(self) -> None:
        await self.pause(PERIOD_S)
