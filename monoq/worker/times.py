"""Sums up how long runs had waited and taken, and writes it to Postgres every few seconds. It is
for people: what a crash takes with it is missing in the quantiles, and in no count."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
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
        for series, alike in groups.items():
            durations = self._series.get(series)
            if durations is None:
                if len(self._series) >= MAX_SERIES:
                    series = ALL, series[1]
                durations = self._series.setdefault(series, _Durations(Counter(), Counter()))
            buckets.count_into(durations.waits, [run.waited_s for run in alike])
            buckets.count_into(
                durations.runs,
                [(run.ended_at or now) - run.started_at for run in alike if run.started_at],
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
        for (tenant_id, job_type), (waits, runs) in list(series.items()):
            if tenant_id != ALL:
                whole = series.setdefault((ALL, job_type), _Durations(Counter(), Counter()))
                whole.waits.update(waits)
                whole.runs.update(runs)
        await self._history.write_times(
            [
                Times(*which, buckets.written(waits), buckets.written(runs))
                for which, (waits, runs) in series.items()
            ]
        )
