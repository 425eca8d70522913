"""Sums up how long runs had waited and taken, and writes it to Postgres every few seconds. It is
for people: what a crash takes with it is missing in the quantiles, and in no count."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import asyncpg

from monoq.errors import DatabaseUnavailable
from monoq.observe import buckets
from monoq.observe.outage import Outage
from monoq.process.service import Service
from monoq.store.history import HistoryStore, Times
from monoq.worker.run import Run

log = logging.getLogger(__name__)

PERIOD_S = 5.0
# tenants and types between two writes; what more there is counts for its type alone
MAX_SERIES = 5_000
ALL = ""


class _Durations(NamedTuple):
    waits: Counter[int]
    runs: Counter[int]


class TimeKeeper(Service):
    """`ended` costs a batch of one tenant and type next to nothing, and others little."""

    name = "time keeper"

    def __init__(self, history: HistoryStore) -> None:
        super().__init__()
        self._history = history
        self._series: dict[tuple[str, str], _Durations] = {}

    def ended(self, runs: Sequence[Run], now: float) -> None:
        """These runs have ended, by `now` (monotonic), and that is written."""
        groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
        for run in runs:
            groups[run.tenant_id, run.type].append(run)
        of_types: dict[str, list[Run]] = defaultdict(list)
        for (tenant_id, job_type), alike in groups.items():
            self._add(tenant_id, job_type, alike, now)
            of_types[job_type] += alike
        for job_type, alike in of_types.items():
            self._add(ALL, job_type, alike, now)

    def _add(self, tenant_id: str, job_type: str, runs: Iterable[Run], now: float) -> None:
        series = tenant_id, job_type
        durations = self._series.get(series)
        if durations is None:
            if len(self._series) >= MAX_SERIES and tenant_id != ALL:
                return
            durations = self._series[series] = _Durations(Counter(), Counter())
        buckets.count_into(durations.waits, [run.waited_s for run in runs])
        buckets.count_into(
            durations.runs,
            [(run.ended_at or now) - run.started_at for run in runs if run.started_at],
        )

    async def run(self) -> None:
        outage = Outage(log, "writing how long runs take")
        while not self.stopping.is_set():
            await self.pause(PERIOD_S)
            try:
                await self.write()
                outage.over()
            except (DatabaseUnavailable, asyncpg.PostgresError) as error:
                outage.failed(error)

    async def write(self) -> None:
        """Writes what there is. What cannot be written is missing: written once more after an
        unclear commit, it might count twice."""
        series, self._series = self._series, {}
        await self._history.write_times(
            [
                Times(*which, buckets.written(waits), buckets.written(runs))
                for which, (waits, runs) in series.items()
            ]
        )
