"""The catalogue: every metric of a process, with its name, labels and meaning. It knows no tenant:
tenants are unbounded, and each would be a time series."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, Metric, ProcessCollector

from monoq.observe.histogram import BulkHistogram

# the label of types that this process has no handler for: a submit must not create time series
OTHER = "other"
CLIENT = "client"  # the label of sockets that their client closed: its code is its own choice
VACUUM_HOLDERS = ("session", "prepared", "slot", "standby")
UNKNOWN = float("nan")  # an engine did not answer in time

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
JOBS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 10_000)


class Catalogue:
    """`types` are the job types that this process has handlers for."""

    def __init__(self, *, types: Iterable[str], version: str) -> None:
        self.registry = CollectorRegistry()
        self._labels = frozenset((*types, OTHER))
        self._count_jobs()
        self._count_troubles()
        self._measure()
        self._gauge_this_process()
        self._gauge_the_engines()
        Info("monoq_build", "the version that runs", registry=self.registry).info(
            {"version": version}
        )
        ProcessCollector(registry=self.registry)

    def _count_jobs(self) -> None:
        self.submitted = self._per_type("monoq_jobs_submitted", "jobs stored")
        self.completed = self._per_type("monoq_jobs_completed", "jobs completed")
        self.failed = self._per_type(
            "monoq_jobs_failed", "jobs failed for good: no attempts left, or none useful"
        )
        self.cancelled = self._per_type(
            "monoq_jobs_cancelled", "jobs cancelled, by a person or by their handler"
        )
        self.retried = self._per_type(
            "monoq_jobs_retried", "failed attempts after which the job waits for the next one"
        )
        self.returned = self._per_type(
            "monoq_jobs_returned", "runs that used no attempt: snoozed, or released at a stop"
        )
        self.revived = self._per_type(
            "monoq_jobs_revived", "failed or cancelled jobs put back by a person"
        )

        self.removed = self._counter(
            "monoq_jobs_removed", "jobs removed because they had ended long ago"
        )

    def _count_troubles(self) -> None:
        self.rescued = self._counter(
            "monoq_jobs_rescued", "jobs rescued from lost workers", fate=("waiting", "failed")
        )
        self.stale = self._counter(
            "monoq_stale_writes", "results refused because the job was no longer this worker's"
        )
        self.direct = self._counter(
            "monoq_direct_picks", "jobs chosen in PostgreSQL directly, not from the Redis lists"
        )
        self.failed_pushes = self._counter(
            "monoq_failed_pushes", "pushes to the Redis lists that failed; the stager repeats them"
        )
        self.upkeep_failures = self._counter(
            "monoq_upkeep_failures", "passes of a background loop that failed", loop=()
        )
        self.unpublished = self._counter(
            "monoq_unpublished_messages",
            "live updates that Redis did not accept; viewers get them later",
        )
        self.breaker_changes = self._counter(
            "monoq_breaker_changes",
            "breakers of endpoints of webhooks that came into this state",
            state=("closed", "open", "half-open"),
        )
        self.sockets_closed = self._counter(
            "monoq_sockets_closed", "WebSockets that ended", code=()
        )

    def _measure(self) -> None:
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

    def _gauge_this_process(self) -> None:
        self.slots = self._gauge("monoq_worker_slots", "jobs that this worker may hold")
        self.slots_used = self._gauge(
            "monoq_worker_slots_used", "jobs that this worker holds, until their end is written"
        )
        self.hung = self._gauge(
            "monoq_hung_handlers",
            "handlers of this worker that cannot be stopped, threads and event loops",
        )
        self.breakers_open = self._gauge(
            "monoq_breakers_open", "endpoints of webhooks that this worker does not call"
        )
        self.sockets_open = self._gauge("monoq_sockets_open", "WebSockets open")
        self.horizon_age = self._gauge(
            "monoq_horizon_age_seconds",
            "how long the oldest transaction that slows reads of changes is open",
        )
        self.horizon_age.set(UNKNOWN)
        self.vacuum_age = Gauge(
            "monoq_vacuum_horizon_age_seconds",
            "for how long VACUUM is held back, by kind of holder; the holder, once it is long",
            ("kind", "holder"),
            registry=self.registry,
        )
        for kind in VACUUM_HOLDERS:
            self.vacuum_age.labels(kind, "").set(UNKNOWN)

    def _gauge_the_engines(self) -> None:
        """Set at each scrape, from what PostgreSQL and Redis answer."""
        self.waiting = self._gauge(
            "monoq_jobs_waiting", "jobs waiting, in the whole system, delayed ones included"
        )
        self.running = self._gauge("monoq_jobs_running", "jobs running, in the whole system")
        self.oldest = self._gauge(
            "monoq_oldest_waiting_seconds",
            "how long the longest-waiting job has been due; 0: none waits",
        )
        self.runway = self._gauge("monoq_runway_jobs", "ids in the Redis lists")
        self.postgres_up = self._gauge(
            "monoq_postgres_up", "whether PostgreSQL answered this scrape"
        )
        self.redis_up = self._gauge("monoq_redis_up", "whether Redis answered this scrape")

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
    """Without the second series of creation times, which has no use here."""

    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            family.samples = [
                sample for sample in family.samples if not sample.name.endswith("_created")
            ]
            yield family
