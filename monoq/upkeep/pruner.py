"""Forgets which jobs changed long ago: who was away for longer reads the table. It must never remove a job."""

import logging

from monoq.errors import DatabaseUnavailable
from monoq.service import Service
from monoq.store.stream import StreamStore

log = logging.getLogger(__name__)

KEPT_S = 3600.0  # for this long a change can be told to who comes back; at most twice as long
PERIOD_S = 60.0
BATCH = 5000  # rows in one statement
REST_S = 0.2  # between two of them: there is no hurry


class Pruner(Service):
    """Every process looks whether it is time; the first one does it."""

    name = "pruner"

    def __init__(self, stream: StreamStore) -> None:
        super().__init__()
        self._stream = stream

    async def run(self) -> None:
        while not self.stopping.is_set():
            try:
                if await self._stream.retire_changes(KEPT_S):
                    await self._prune()
            except DatabaseUnavailable as error:
                log.debug("changes not pruned: %s", error)
            await self.pause(PERIOD_S)

    async def _prune(self) -> None:
        """What a crash leaves behind goes the next time."""
        while not self.stopping.is_set() and await self._stream.prune_changes(BATCH) == BATCH:
            await self.pause(REST_S)
