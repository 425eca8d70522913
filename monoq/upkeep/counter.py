"""Folds appended count changes into the totals, so that reading a count stays cheap. Readers add both: it must never be needed
for a right count."""

import logging

from monoq.errors import DatabaseUnavailable
from monoq.service import Service
from monoq.store.counts import CountStore

log = logging.getLogger(__name__)

PERIOD_S = 1.0


class Counter(Service):
    """Folds once a second; in whichever process comes first."""

    name = "counter"

    def __init__(self, counts: CountStore) -> None:
        super().__init__()
        self._counts = counts

    async def run(self) -> None:
        while not self.stopping.is_set():
            try:
                await self._counts.fold_counts()
            except DatabaseUnavailable as error:
                log.debug("counts not folded: %s", error)
            await self.pause(PERIOD_S)
