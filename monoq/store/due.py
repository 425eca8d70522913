"""Which jobs are next, fairly. It must never decide who runs them: that is the claim's."""

from collections.abc import Sequence

from monoq.store.jobs import JobStore

MAX_DEPTH = 256  # times an even share


class Due:
    """Looks into each tenant for its even share, and deeper only while that does not bring enough.

    Where a few tenants have most of the work, an even share of each falls short; looking deep everywhere costs as much as it finds.
    """

    def __init__(self, jobs: JobStore, types: Sequence[str] | None = None) -> None:
        self.types = types  # that can be run; None: any
        self.falls_short = False  # whether the next look would bring more
        self._jobs = jobs
        self._depth = 1

    async def select(self, most: int, listed: str = "", soon: int = 0) -> str:
        """The ids ("id,id,…") of up to `most` waiting jobs, without those in `listed`. Raises DatabaseUnavailable.

        `soon`: how many jobs start within a moment; so many may stand in any order.
        """
        depth, self._depth = self._depth, 1  # the next look is a light one if this fails: it may have taken too long
        ids, deeper = await self._jobs.select_due_jobs(most, listed, self.types, depth, soon)
        self.falls_short = deeper and depth < MAX_DEPTH
        if self.falls_short:
            self._depth = 4 * depth
        else:
            self._depth = depth if deeper else max(1, depth // 2)
        return ids
