"""The jobs in hand, from the claim until Postgres has acknowledged their end. It must forget none."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence

from monoq.pool import Pool
from monoq.worker.run import Run


class Slots:
    """Never more than `size` runs of a pool. A job that came back while its first run is being settled
    is here twice."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._in_hand: set[Run] = set()
        self._held = dict.fromkeys(Pool, 0)
        self._claiming = dict.fromkeys(Pool, 0)
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._in_hand)

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._in_hand))

    def claiming(self, pool: Pool) -> int:
        """How many jobs are about to come for a pool."""
        return self._claiming[pool]

    def reserve(self, pool: Pool, most: int) -> int:
        """Reserves up to `most` free slots for jobs to be claimed."""
        free = self._size - self._held[pool] - self._claiming[pool]
        reserved = max(0, min(most, free))
        self._claiming[pool] += reserved
        return reserved

    def fill(self, pool: Pool, reserved: int, runs: Sequence[Run]) -> None:
        """Ends a reservation with the jobs that were claimed."""
        self._claiming[pool] -= reserved
        self._held[pool] += len(runs)
        self._in_hand.update(runs)

    def settle(self, runs: Sequence[Run]) -> None:
        """Frees the slots of runs whose end is acknowledged."""
        self._in_hand.difference_update(runs)
        for pool, count in Counter(run.pool for run in runs).items():
            self._held[pool] -= count
        self.change()

    def change(self) -> None:
        """Something changed that may let more jobs in."""
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Returns after a change, or after `seconds`."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass
