"""What this process counts: the catalogue of metrics, and the numbers behind it. Parts report whole
batches; it must cost next to nothing per job, know no tenant, and hold nothing global: the
composition root builds one and hands it round."""

from bisect import bisect_left, bisect_right
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, Metric, ProcessCollector
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

# the label of types that this process has no handler for: whoever may submit must not be able to
# make time series
OTHER = "other"
CLIENT = "client"  # the label of sockets that their client closed: its code is its own choice
UNKNOWN = float("nan")  # what an engine did not tell in time

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
JOBS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 10_000)


class RunTimes(Protocol):
    """What is asked of a run; its times are on the monotonic clock, 0: it has not come so far."""

    id: Any
    type: str
    started_at: float
    ended_at: float


class HowItEnded(Protocol):
    """What is asked of an ending."""

    @property
    def status(self) -> str: ...
    @property
    def attempts_back(self) -> int: ...


class Metrics:
    """All metrics of a process. `types` are the job types it has handlers for."""

    def __init__(self, *, types: Iterable[str], version: str) -> None:
        self.registry = CollectorRegistry()
        self._labels = frozenset((*types, OTHER))

        self.submitted = self._per_type("monoq_jobs_submitted", "jobs stored")
        self.completed = self._per_type("monoq_jobs_completed", "jobs that ended well")
        self.failed = self._per_type(
            "monoq_jobs_failed", "jobs that ended badly: no attempts left, or no use in another one"
        )
        self.cancelled = self._per_type(
            "monoq_jobs_cancelled", "jobs cancelled, by a person or by their handler"
        )
        self.retried = self._per_type(
            "monoq_jobs_retried", "failed attempts after which the job waits for the next one"
        )
        self.returned = self._per_type(
            "monoq_jobs_returned", "runs that used no attempt: snoozed, or given back at a stop"
        )
        self.revived = self._per_type(
            "monoq_jobs_revived", "failed or cancelled jobs that a person sent back"
        )
        self.rescued = self._counter(
            "monoq_jobs_rescued", "jobs freed from dead workers", fate=("waiting", "failed")
        )
        self.stale = self._counter(
            "monoq_stale_writes", "results refused because the job was no longer this worker's"
        )
        self.direct = self._counter(
            "monoq_direct_picks", "jobs chosen in PostgreSQL itself, without the runway"
        )
        self.failed_pushes = self._counter(
            "monoq_failed_pushes", "pushes to the runway that failed; the stager repeats them"
        )
        self.upkeep_failures = self._counter(
            "monoq_upkeep_failures", "passes of a background loop that failed", loop=()
        )
        self.unpublished = self._counter(
            "monoq_unpublished_messages",
            "live updates that Redis did not take; viewers read them later",
        )
        self.sockets_closed = self._counter(
            "monoq_sockets_closed", "WebSockets that ended", code=()
        )

        self.wait = BulkHistogram(
            "monoq_job_wait_seconds", "from the moment a job is due to its claim", SECONDS
        )
        self.run = BulkHistogram(
            "monoq_job_run_seconds", "how long the handler ran", SECONDS, "type"
        )
        self.insert_jobs = BulkHistogram("monoq_insert_jobs", "jobs stored by one INSERT", JOBS)
        self.loop_lag = BulkHistogram(
            "monoq_event_loop_lag_seconds", "how late a timer of the event loop was", LAG_SECONDS
        )
        for histogram in (self.wait, self.run, self.insert_jobs, self.loop_lag):
            self.registry.register(histogram)

        self.slots = self._gauge("monoq_worker_slots", "jobs that this worker may hold")
        self.slots_used = self._gauge(
            "monoq_worker_slots_used", "jobs that this worker holds, until their end is written"
        )
        self.hung = self._gauge(
            "monoq_hung_handlers",
            "handlers of this worker that cannot be stopped, threads and event loops",
        )
        self.sockets_open = self._gauge("monoq_sockets_open", "WebSockets open")
        self.horizon_age = self._gauge(
            "monoq_horizon_age_seconds",
            "how long the oldest open transaction has made reads of changes longer",
        )
        self.horizon_age.set(UNKNOWN)
        self.waiting = self._gauge(
            "monoq_jobs_waiting", "jobs that wait, everywhere, those not yet due among them"
        )
        self.running = self._gauge("monoq_jobs_running", "jobs that run, everywhere")
        self.oldest = self._gauge(
            "monoq_oldest_waiting_seconds",
            "how long the longest-waiting job has been due; 0: none waits",
        )
        self.runway = self._gauge("monoq_runway_jobs", "ids in the Redis lists of what is next")
        self.postgres_up = self._gauge(
            "monoq_postgres_up", "whether PostgreSQL answered this scrape"
        )
        self.redis_up = self._gauge("monoq_redis_up", "whether Redis answered this scrape")
        Info("monoq_build", "the version that runs", registry=self.registry).info(
            {"version": version}
        )
        ProcessCollector(registry=self.registry)

    def jobs_stored(self, new: Sequence[str], inserted: int) -> None:
        """An INSERT of `inserted` jobs was committed; `new` are the types of those that were not
        there before."""
        self.insert_jobs.observe([inserted])
        self._count(self.submitted, new)

    def runs_ended(
        self,
        part: Sequence[tuple[RunTimes, HowItEnded]],
        rows: Sequence[Any],
        *,
        completed: bool,
        now: float,
    ) -> None:
        """Runs ended (`completed`: all of them well) and `rows`, whose first column is the id, were
        written of them; the others were stale and are not counted."""
        if len(rows) != len(part):
            written = {row[0] for row in rows}
            part = [(run, ending) for run, ending in part if run.id in written]
        if completed:
            self._ended(self.completed, [run for run, _ in part], now)
            return
        fates: dict[Counter, list[RunTimes]] = defaultdict(list)
        for run, ending in part:
            fates[self.returned if ending.attempts_back else self._by_status(ending.status)].append(
                run
            )
        for counter, runs in fates.items():
            self._ended(counter, runs, now)

    def jobs_rescued(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows of rescue_jobs.sql."""
        failed = [row["type"] for row in rows if row["status"] == "FAILED"]
        self._count(self.failed, failed)
        self.rescued.labels("failed").inc(len(failed))
        self.rescued.labels("waiting").inc(len(rows) - len(failed))

    def one(self, counter: Counter, job_type: str) -> None:
        """One job of this type more."""
        self._count(counter, [job_type])

    def upkeep_failed(self, loop: str) -> None:
        """A pass of a background loop failed."""
        self.upkeep_failures.labels(loop).inc()

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

    def _ended(self, counter: Counter, runs: list[RunTimes], now: float) -> None:
        if not runs:
            return
        types = [run.type for run in runs]
        by_type: dict[str, list[RunTimes]] = {types[0]: runs}
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

    def _per_type(self, name: str, text: str) -> Counter:
        return self._counter(name, text, type=tuple(sorted(self._labels)))

    def _counter(self, name: str, text: str, **labels: tuple[str, ...]) -> Counter:
        """Labels with known values start at 0, so that the first event is an increase."""
        counter = _PlainCounter(name, text, tuple(labels), registry=self.registry)
        for values in labels.values():
            for value in values:
                counter.labels(value)
        return counter

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)


class _PlainCounter(Counter):
    """Without the second series that tells when each was made: nobody asks for it."""

    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            family.samples = [
                sample for sample in family.samples if not sample.name.endswith("_created")
            ]
            yield family


class BulkHistogram(Collector):
    """A histogram that takes a batch at once, for about 70 ns a value; prometheus-client's own
    takes one by one, for ten times that."""

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], label: str | None = None
    ) -> None:
        self._name = name
        self._text = text
        self._bounds = bounds
        self._label = label
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        if label is None:
            self._begin("")

    def observe(self, values: Sequence[float], label: str = "") -> None:
        """Takes values of one label; none below 0."""
        if not values:
            return
        if label not in self._counts:
            self._begin(label)
        counts, bounds = self._counts[label], self._bounds
        lowest, highest = bisect_left(bounds, min(values)), bisect_left(bounds, max(values))
        if lowest == highest:
            counts[lowest] += len(values)
        else:
            values = sorted(values)
            below = 0
            for bucket in range(lowest, highest):
                upto = bisect_right(values, bounds[bucket])
                counts[bucket] += upto - below
                below = upto
            counts[highest] += len(values) - below
        self._sums[label] += sum(values)

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            self._name, self._text, labels=[self._label] if self._label else []
        )
        for label, counts in self._counts.items():
            buckets, upto = [], 0
            for bound, count in zip((*map(float, self._bounds), float("inf")), counts, strict=True):
                upto += count
                buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(upto)))
            family.add_metric([label] if self._label else [], buckets, self._sums[label])
        yield family

    def _begin(self, label: str) -> None:
        self._counts[label] = [0] * (len(self._bounds) + 1)
        self._sums[label] = 0.0
