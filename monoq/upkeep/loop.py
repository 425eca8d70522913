"""A periodic background task. It must survive every error of PostgreSQL, and report each."""

import asyncpg

from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.process.service import Service
from monoq.upkeep.troubles import Troubles

RETRY_S = 0.25


class UpkeepLoop(Service):
    """Calls `look`, then `rest`, until `stop`. A look that fails is counted, and logged if it fails
    for the first time or again after a while; it never ends the process."""

    def __init__(self, troubles: Troubles) -> None:
        super().__init__()
        self._troubles = troubles

    async def look(self) -> None:
        """One pass. May raise DatabaseUnavailable, QueueUnavailable, or an error of PostgreSQL."""
        raise NotImplementedError

    async def rest(self) -> None:
        """Waits until the next pass is due; returns soon after `stop`."""
        raise NotImplementedError

    def failed(self, error: Exception) -> None:
        """Called after a look that failed."""

    async def run(self) -> None:
        while not self.stopping.is_set():
            try:
                await self.look()
                self._troubles.over(self.name)
            except (DatabaseUnavailable, QueueUnavailable, asyncpg.PostgresError) as error:
                self._troubles.note(self.name, error)
                self.failed(error)
                await self.pause(RETRY_S)
            await self.rest()
