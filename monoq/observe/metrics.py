"""What this process counts. Parts report whole batches; it must cost next to nothing per job and
hold nothing global: the composition root builds one and passes it on."""

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from prometheus_client import Counter

from monoq.observe.catalogue import CLIENT, OTHER, UNKNOWN, VACUUM_HOLDERS, Catalogue


class RunLike(Protocol):
    """What is counted of a run. Times are on the monotonic clock; 0: it has not come that far."""

    id: Any
    type: str
    started_at: float
    ended_at: float


class EndingLike(Protocol):
    """What is counted of how a run ended."""

    @property
    def status(self) -> str: ...
    @property
    def attempts_back(self) -> int: ...


class Metrics(Catalogue):
    """The metrics of a process, and how parts report to them."""

    def __init__(self, *, types: Iterable[str], version: str) -> None:
        super().__init__(types=types, version=version)
        self._vacuum_holders = {(kind, "") for kind in VACUUM_HOLDERS}

    def jobs_stored(self, new: Sequence[str], inserted: int) -> None:
        """An INSERT of `inserted` jobs was committed; `new` are the types of those that were not
        there before."""
        self.insert_jobs.observe([inserted])
        self._count(self.submitted, new)

    def runs_ended(
        self,
        part: Sequence[tuple[RunLike, EndingLike]],
        rows: Sequence[Mapping[str, Any]],
        *,
        completed: bool,
        now: float,
    ) -> None:
        """Runs ended (`completed`: all of them well). `rows` are those that were written, by `id`;
        the others were stale and are not counted."""
        if len(rows) != len(part):
            written = {row["id"] for row in rows}
            part = [(run, ending) for run, ending in part if run.id in written]
        if completed:
            self._ended(self.completed, [run for run, _ in part], now)
            return
        fates: dict[Counter, list[RunLike]] = defaultdict(list)
        for run, ending in part:
            fates[self.returned if ending.attempts_back else self._by_status(ending.status)].append(
                run
            )
        for counter, runs in fates.items():
            self._ended(counter, runs, now)

    def runs_finished(self, runs: list[RunLike], *, now: float) -> None:
        """Runs whose handler has completed the job by its own transaction."""
        self._ended(self.completed, runs, now)

    def jobs_rescued(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows of rescue_jobs.sql."""
        failed = [row["type"] for row in rows if row["status"] == "FAILED"]
        self._count(self.failed, failed)
        self.rescued.labels("failed").inc(len(failed))
        self.rescued.labels("waiting").inc(len(rows) - len(failed))

    def one(self, counter: Counter, job_type: str) -> None:
        """Counts one job of this type."""
        self._count(counter, [job_type])

    def many(self, counter: Counter, job_types: Sequence[str]) -> None:
        """Counts a job for each of these types."""
        self._count(counter, job_types)

    def upkeep_failed(self, loop: str) -> None:
        """A pass of a background loop failed."""
        self.upkeep_failures.labels(loop).inc()

    def vacuum_is_held(self, kind: str, holder: str, age_s: float) -> None:
        """For how long this kind holds VACUUM back; `holder`: its description, "" while it is
        short. A kind has one series: holders come and go."""
        for labels in [key for key in self._vacuum_holders if key[0] == kind]:
            if labels != (kind, holder):
                self.vacuum_age.remove(*labels)
                self._vacuum_holders.discard(labels)
        self._vacuum_holders.add((kind, holder))
        self.vacuum_age.labels(kind, holder).set(age_s)

    def forget_vacuum(self) -> None:
        """PostgreSQL does not answer."""
        for kind in VACUUM_HOLDERS:
            self.vacuum_is_held(kind, "", UNKNOWN)

    def socket_closed(self, code: int | None) -> None:
        """A socket ended with our code, or None: by its client."""
        self.sockets_closed.labels(CLIENT if code is None else code).inc()

    def _by_status(self, status: str) -> Counter:
        return {
            "COMPLETED": self.completed,
            "FAILED": self.failed,
            "CANCELLED": self.cancelled,
        }.get(status, self.retried)

    def _count(self, counter: Counter, types: Iterable[str]) -> None:
        for job_type, jobs in Tally(types).items():
            counter.labels(job_type if job_type in self._labels else OTHER).inc(jobs)

    def _ended(self, counter: Counter, runs: list[RunLike], now: float) -> None:
        if not runs:
            return
        types = [run.type for run in runs]
        by_type: dict[str, list[RunLike]] = {types[0]: runs}
        # mostly they are alike, and this is the cheapest way to find out
        if types.count(types[0]) != len(types):
            by_type = defaultdict(list)
            for run in runs:
                by_type[run.type].append(run)
        for job_type, alike in by_type.items():
            label = job_type if job_type in self._labels else OTHER
            counter.labels(label).inc(len(alike))
            self.run.observe(
                [(run.ended_at or now) - run.started_at for run in alike if run.started_at], label
            )
