"""Keeps the lists of what is next in order, fairly. One mechanism for delayed jobs, retries, plain
SQL and a wiped Redis. It must never be needed for correctness: a duplicate id is a harmless miss, a
missing one is selected again."""

import asyncio
import random
import time
from collections.abc import Iterator
from itertools import chain

from monoq.errors import QueueUnavailable
from monoq.queue.keys import spare_key
from monoq.queue.lists import JobList
from monoq.queue.pace import Pace
from monoq.queue.ready import MIN_CAPACITY, Placing, Ready
from monoq.store.due import Due
from monoq.store.jobs import JobStore
from monoq.store.limits import Limits
from monoq.store.workers import WorkerStore
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

PERIOD_S = 0.2  # how old the order of a list may be
# a list holds what is taken in this time; a part of it is being claimed when it is put in order
AHEAD_S = 0.5
# to put a longer list in order costs much: between, newcomers are put in front of it
BRIEF_ABOVE = 1000
BRIEF = 200  # jobs, at most, that are put in front
# what is taken in this time may stand in any order: newcomers and urgent jobs are put in front
TOGETHER_S = 0.5
MAX_CAPACITY = 20_000
WORKERS_EVERY_S = 1.0
LEAST_S = 0.01  # between two looks, whoever asks for one
RATE_PERIOD_S = 0.03  # so often a list is looked at while somebody waits for a rate


class _Staging:
    """What this process remembers of a list."""

    def __init__(self, name: str, due: Due, spare_of: "_Staging | None" = None) -> None:
        self.name = name
        self.due = due
        self.spare_of = spare_of
        self.full: frozenset[str] = frozenset()  # tenants that hold all they may of some worker
        self.pace = Pace()
        self.after = ""  # the tenant behind which the next look begins, if there are many
        self.brief_after = ""  # the same of a brief look


class Stager(UpkeepLoop):
    """Every process stages, one at a time for each list: whoever sees it short or out of date
    first."""

    name = "stager"

    def __init__(
        self,
        *,
        jobs: JobStore,
        workers: WorkerStore,
        limits: Limits,
        ready: Ready,
        troubles: Troubles,
    ) -> None:
        super().__init__(troubles)
        self._jobs = jobs
        self._workers = workers
        self._limits = limits
        self._ready = ready
        self._stagings: dict[JobList, tuple[_Staging, _Staging]] = {}
        self._workers_at = self._looked_at = 0.0
        self._woken = asyncio.Event()
        self._short: set[str] = set()  # lists that need a look before their time
        self._only: set[str] | None = None  # which lists the next look is about; None: all
        self._all_at = 0.0  # when it is time to look at all of them

    def list_is(self, name: str, length: int) -> None:
        """Somebody just saw how long a list is: a short one is topped up at once."""
        if length < self._ready.low_water(name):
            self._wake(name)

    def runs_ended(self, *, keyed: bool) -> None:
        """Runs have ended: whom a limit held may have room again, and so may the next job of a key
        (`keyed`)."""
        for staging, _ in self._stagings.values():
            if keyed or staging.due.held_back:
                self._wake(staging.name)

    def stop(self) -> None:
        super().stop()
        self._woken.set()

    async def look(self) -> None:
        """Looks once at each list whose turn it is."""
        if time.monotonic() - self._workers_at > WORKERS_EVERY_S:
            await self._look_at_workers()
        self._looked_at = time.monotonic()
        await self._limits.refresh()
        only, self._only = self._only, None
        looks = [
            self._top_up(staging) for staging in self._all() if only is None or staging.name in only
        ]
        for outcome in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, QueueUnavailable):
                raise outcome

    async def rest(self) -> None:
        try:
            async with asyncio.timeout(self._all_at - time.monotonic()):
                await self._woken.wait()
        except TimeoutError:
            pass
        await self.pause(self._looked_at + LEAST_S - time.monotonic())
        self._woken.clear()
        self._only, self._short = self._short, set()
        if (now := time.monotonic()) >= self._all_at:
            self._all_at = now + self._period_s()
            self._only = None

    def _wake(self, name: str) -> None:
        # One list that is drained must not have the others looked at: a look that finds nothing
        # costs PostgreSQL a plan.
        self._short.add(name)
        self._woken.set()

    def _period_s(self) -> float:
        """Until all lists are looked at again: who waits for a rate is looked at more often."""
        if any(staging.due.held_by_rates for staging, _ in self._stagings.values()):
            return RATE_PERIOD_S
        # Out of step with the other processes.
        return PERIOD_S * random.uniform(0.8, 1.2)  # noqa: S311

    async def _look_at_workers(self) -> None:
        workers = await self._workers.list_workers()
        self._ready.lists.update(workers)
        self._workers_at = time.monotonic()
        known = self._stagings
        self._stagings = {
            one: known.get(one) or self._new_stagings(one) for one in self._ready.lists.all
        }
        slots = self._ready.lists.slots(workers)
        for one, (staging, _) in self._stagings.items():
            staging.due.work.slots = slots[one.name]

    def _all(self) -> Iterator[_Staging]:
        return chain.from_iterable(self._stagings.values())

    def _new_stagings(self, job_list: JobList) -> tuple[_Staging, _Staging]:
        """Of a list, and of the one for what a tenant may not hold."""
        dues = [Due(self._jobs, job_list.takes, self._limits) for _ in range(2)]
        usual = _Staging(job_list.name, dues[0])
        return usual, _Staging(spare_key(job_list.name), dues[1], usual)

    async def _top_up(self, staging: _Staging) -> None:
        without = staging.spare_of.full if staging.spare_of else frozenset()
        if staging.spare_of and not without:
            return
        name = staging.name
        go, length, taken, staging.full = await self._ready.begin_look(name)
        staging.pace.note(taken, time.monotonic())
        per_s = staging.pace.per_s
        capacity = max(MIN_CAPACITY, min(int(AHEAD_S * per_s), MAX_CAPACITY))
        self._ready.set_capacity(name, capacity)
        if not go:
            return
        if (
            not staging.spare_of
            and capacity > BRIEF_ABOVE
            and length >= self._ready.low_water(name)
        ):
            await self._let_newcomers_in(staging)
            return
        found = await staging.due.select(
            capacity, int(TOGETHER_S * per_s), staging.after, without=without
        )
        # With more tenants than the list has room for, each look goes on behind the last tenant: to
        # begin anew would pass over those whose turn it is.
        crowded = found.last_tenant is not None or staging.after != ""
        staging.after = found.last_tenant or ""
        await self._ready.place(
            name,
            found.ids,
            Placing.BEHIND if crowded else Placing.INSTEAD,
            more=found.more,
            rest_s=PERIOD_S,
        )
        if staging.due.falls_short:
            self._wake(name)

    async def _let_newcomers_in(self, staging: _Staging) -> None:
        found = await staging.due.select_others(BRIEF, staging.brief_after)
        staging.brief_after = found.last_tenant or ""
        await self._ready.place(
            staging.name, found.ids, Placing.IN_FRONT, more=True, rest_s=PERIOD_S
        )
