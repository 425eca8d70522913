"""The jobs in hand, from the claim until Postgres has acknowledged their end. It must forget
none."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import compress

from monoq.app.pool import Pool
from monoq.worker.run import Run
from monoq.worker.shares import Shares


class Slots:
    """Never more than `size` runs of a pool, and of a tenant never more than `shares` allow. A job
    that came back while its first run is being settled is here twice."""

    def __init__(self, size: int, shares: Shares) -> None:
        self._size = size
        self._shares = shares
        # set when somebody holds all he may: then the rest is for others
        self.crowded = {pool: asyncio.Event() for pool in Pool}
        self._in_hand: set[Run] = set()
        self._held = dict.fromkeys(Pool, 0)
        self._claiming = dict.fromkeys(Pool, 0)
        self._claiming_spare = dict.fromkeys(Pool, 0)
        self._waiting: dict[Pool | None, deque[asyncio.Future[None]]] = {
            pool: deque() for pool in (*Pool, None)
        }
        # By the transaction of their claim: jobs in hand, and claims of which none is any more.
        self._of_claim: Counter[int] = Counter()
        self._ended_claims: list[int] = []

    def __len__(self) -> int:
        return len(self._in_hand)

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._in_hand))

    def claiming(self, pool: Pool) -> int:
        """How many jobs are about to come for a pool."""
        return self._claiming[pool] + self._claiming_spare[pool]

    def reserve(self, pool: Pool, most: int, ahead: int = 0) -> int:
        """Reserves up to `most` free slots for jobs to be claimed, whosever they are. `ahead`: how
        many of them may wait for a place."""
        taken = self._held[pool] + self.claiming(pool)
        wanted = max(0, min(most, self._size - taken))
        reserved = self._shares.room(
            pool,
            wanted,
            taken=taken,
            claiming=self._claiming[pool],
            ahead=ahead,
            in_hand=self._in_hand,
            now=time.monotonic(),
        )
        if wanted and not reserved and not self._claiming[pool]:
            self.crowded[pool].set()
        self._claiming[pool] += reserved
        return reserved

    def reserve_spare(self, pool: Pool, most: int) -> int:
        """Reserves up to `most` free slots for jobs of tenants that are not `full`."""
        free = self._size - self._held[pool] - self.claiming(pool)
        reserved = max(0, min(most, free))
        self._claiming_spare[pool] += reserved
        return reserved

    def full(self, pool: Pool, ahead: int = 0) -> list[str]:
        """The tenants that hold all they may of a pool."""
        return self._shares.full(pool, ahead=ahead, in_hand=self._in_hand, now=time.monotonic())

    def fill(self, pool: Pool, reserved: int, runs: Sequence[Run], *, spare: bool = False) -> None:
        """Ends a reservation with the jobs that were claimed."""
        claiming = self._claiming_spare if spare else self._claiming
        claiming[pool] -= reserved
        self._held[pool] += len(runs)
        self._shares.add(pool, runs)
        self._in_hand.update(runs)
        self._of_claim.update(run.claim_xid for run in runs)

    def settle(self, runs: Sequence[Run]) -> None:
        """Frees the slots of runs whose end is acknowledged."""
        self._in_hand.difference_update(runs)
        pools = [run.pool for run in runs]
        for pool, count in Counter(pools).items():
            self._held[pool] -= count
            alike = runs if count == len(runs) else list(compress(runs, [p is pool for p in pools]))
            self._shares.remove(pool, alike, time.monotonic())
        for xid, count in Counter(run.claim_xid for run in runs).items():
            self._of_claim[xid] -= count
            if not self._of_claim[xid]:
                del self._of_claim[xid]
                self._ended_claims.append(xid)
        self.change()

    def take_ended_claims(self) -> list[int]:
        """The transactions of claims whose jobs have all ended since the last call."""
        ended, self._ended_claims = self._ended_claims, []
        return ended

    def change(self, pool: Pool | None = None) -> None:
        """Something changed that may let more jobs in, of a pool or of any.

        Of those who wait for a pool one is woken, the first. If it finds room it calls this again:
        six lanes that all looked for the room of one batch cost as much as the batch.
        """
        for waiting in [self._waiting[pool]] if pool else self._waiting.values():
            while waiting:
                if not (first := waiting.popleft()).done():
                    first.set_result(None)
                    break

    def wake_all(self) -> None:
        """Whoever waits is to look whether it is to stop."""
        for waiting in self._waiting.values():
            for one in waiting:
                _wake(one)

    async def wait(self, seconds: float, pool: Pool | None = None) -> None:
        """Returns after a change that may be for this waiter, or after `seconds`."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        waiting = self._waiting[pool]
        waiting.append(woken)
        timer = loop.call_later(seconds, _wake, woken)  # a tenth of the price of asyncio.timeout
        try:
            await woken
        finally:
            timer.cancel()
            with suppress(ValueError):  # a change has taken it out
                waiting.remove(woken)


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
