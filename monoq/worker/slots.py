"""The jobs in hand, from the claim until Postgres has acknowledged their end. It must forget none."""

import asyncio
from collections.abc import Iterator, Sequence
from uuid import UUID

from monoq.app.pool import Pool
from monoq.worker.run import Run


class Slots:
    """Never more than `size` jobs of a pool."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._in_hand: dict[UUID, Run] = {}
        self._held = dict.fromkeys(Pool, 0)
        self._claiming = dict.fromkeys(Pool, 0)
        self._changed = asyncio.Event()
        # By the transaction of their claim: jobs in hand, and claims of which none is any more.
        self._of_claim: dict[int, int] = {}
        self._ended_claims: list[int] = []

    def __len__(self) -> int:
        return len(self._in_hand)

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._in_hand.values()))

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
        self._in_hand.update({run.id: run for run in runs})
        for run in runs:
            self._of_claim[run.claim_xid] = self._of_claim.get(run.claim_xid, 0) + 1

    def settle(self, runs: Sequence[Run]) -> None:
        """Frees the slots of runs whose end is acknowledged."""
        for run in runs:
            self._held[run.pool] -= 1
            self._of_claim[run.claim_xid] -= 1
            if not self._of_claim[run.claim_xid]:
                del self._of_claim[run.claim_xid]
                self._ended_claims.append(run.claim_xid)
            if self._in_hand.get(run.id) is run:  # else its job is here once more, as another run
                del self._in_hand[run.id]
        self.change()

    def take_ended_claims(self) -> list[int]:
        """The transactions of claims whose jobs have all ended since the last call."""
        ended, self._ended_claims = self._ended_claims, []
        return ended

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
