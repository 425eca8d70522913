"""How many slots are needed, for autoscalers. It must look at types, never at jobs or tenants."""

from math import ceil
from typing import NamedTuple

from monoq.store.database import Queryable, query

MAX_DUE = 500  # of a type: up to here, jobs that are not due are left out


class Need(NamedTuple):
    """What a type needs: jobs that wait and run, the mean seconds of a run (None: no live worker
    knows), and the slots that are needed."""

    type: str
    waiting: int
    running: int
    run_s: float | None
    slots: int


class Scaling:
    """Says how many slots are needed. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def needs(self, target_wait_s: float) -> list[Need]:
        """By type: with so many slots what waits now would start within `target_wait_s` seconds."""
        counted = {row["type"]: row for row in await self._database.fetch(query("count_types"))}
        run_s = await self.run_seconds()
        pending = [job_type for job_type, row in counted.items() if row["waiting"] > 0]
        rows = await self._database.fetch(query("count_due"), pending, MAX_DUE)
        due = {row["type"]: row["due"] for row in rows}
        needs = []
        for job_type in sorted({*counted, *run_s}):
            row = counted.get(job_type)
            running = row["running"] if row else 0
            waiting = due.get(job_type, 0)
            if row and waiting >= MAX_DUE:
                waiting = row["waiting"]  # with what is scheduled
            takes_s = run_s.get(job_type)
            slots = running + more_slots(waiting, takes_s, target_wait_s)
            needs.append(Need(job_type, waiting, running, takes_s, slots))
        return needs

    async def run_seconds(self) -> dict[str, float | None]:
        """The mean seconds of a run, of each type that a live worker has a handler for; None: not
        known yet."""
        rows = await self._database.fetch(query("measure_runs"))
        return {row["type"]: row["run_s"] for row in rows}


def more_slots(waiting: int, run_s: float | None, target_wait_s: float) -> int:
    """Slots that start `waiting` jobs within the time, in addition to the running ones. One while
    no run time is known, so that it becomes known.

    >>> more_slots(100, 0.5, 10.0)
    5
    >>> more_slots(3, 600.0, 10.0)
    3
    """
    if run_s is None:
        return min(waiting, 1)
    return min(waiting, ceil(waiting * run_s / target_wait_s))
