"""The real statements against a reference model in Python, driven by random sequences of steps, one
after the other.

What only shows when two of them run at once is in test_races.py.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import DIFFER

from monoq.store.database import PINNED_PLANS, query

T = TypeVar("T")

EXAMPLES = 100
MIN_STEPS, MAX_STEPS = 25, 60
TERMINAL = {"COMPLETED", "FAILED", "CANCELLED"}
EDGES = {
    "PENDING": {"RUNNING", "CANCELLED"},
    "RUNNING": {"COMPLETED", "FAILED", "PENDING", "CANCELLED"},
    "COMPLETED": set(),
    "FAILED": set(),
    "CANCELLED": set(),
}
RETRY_EDGES = {"FAILED": {"PENDING"}, "CANCELLED": {"PENDING"}}
MAX_DEATHS = 10
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
TYPES = ["a", "b"]
IDS = [UUID(int=n) for n in range(1, 5)]

COLUMNS = "id, status::text, claim, attempts, version, crashes, deaths, worker_id"
EVERYTHING = (
    f"SELECT {COLUMNS}, changed_xid, finished_at IS NOT NULL AS finished, "
    "jsonb_array_length(errors) AS history FROM jobs"
)


def step(
    name: str, **arguments: st.SearchStrategy[Any]
) -> "st.SearchStrategy[tuple[str, dict[str, Any]]]":
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


NUMBERS = st.sampled_from(range(12))
ASKED = st.one_of(
    st.just(IDS), st.lists(st.sampled_from([*IDS, UUID(int=99)]), min_size=1, max_size=4)
)
WRITES = st.lists(st.tuples(NUMBERS, st.sampled_from([0] * 8 + [-1, 1])), min_size=1, max_size=3)
ENDS = st.tuples(  # status, delay_ms, attempts_back, lost, deaths, error
    st.sampled_from(["PENDING", "PENDING", "FAILED", "CANCELLED"]),
    st.sampled_from([0, 0, 0, 3_600_000]),
    st.integers(0, 1),
    st.sampled_from([0, 0, 1]),
    st.sampled_from([0, 0, 1]),
    st.sampled_from([None, "bad"]),
)
LOSS = st.sampled_from(["expires", "expires", "is proved dead", "is removed"])


def often(
    times: int, name: str, **arguments: st.SearchStrategy[Any]
) -> "list[st.SearchStrategy[tuple[str, dict[str, Any]]]]":
    """Each a strategy of its own: of one that is given twice, hypothesis takes one."""
    return [step(name, **arguments) for _ in range(times)]


STEPS = st.one_of(
    *often(
        6,
        "claim_jobs",
        asked=ASKED,
        n=NUMBERS,
        types=st.sampled_from([TYPES, TYPES, TYPES[:1]]),
        suspects=st.booleans(),
    ),
    *often(2, "complete_jobs", writes=WRITES, n=NUMBERS),
    *often(2, "end_runs", writes=WRITES, n=NUMBERS, ends=st.lists(ENDS, min_size=3, max_size=3)),
    *often(5, "rescue_jobs", limit=st.sampled_from([1, 1000, 1000])),
    *often(3, "retry_job", job_id=st.sampled_from(IDS)),
    *often(2, "worker", n=NUMBERS, what=LOSS),
    *often(2, "beat_worker", n=NUMBERS),
    *often(3, "fold_claims", n=NUMBERS),
    step("prune_claims"),
    step("fold_counts"),
    step("promote_delayed_jobs"),
    step("a_delayed_job_is_due", job_id=st.sampled_from(IDS)),
    step(
        "insert_jobs",
        ids=st.lists(st.sampled_from(IDS), min_size=1, max_size=4),
        job_type=st.sampled_from(TYPES),
        due=st.booleans(),
    ),
    step("cancel_job", job_id=st.sampled_from(IDS)),
    step("remove_jobs", told=st.booleans()),
    step("register_worker", draining=st.sampled_from([False, False, False, True])),
    step("drain_worker", n=NUMBERS, draining=st.sampled_from([False, False, True])),
    step(
        "a_job_has_died_often",
        n=NUMBERS,
        lost=st.integers(0, 2),
        deaths=st.sampled_from([0, MAX_DEATHS - 1]),
    ),
)


@dataclass
class Job:
    type: str
    status: str = "PENDING"
    claim: int = 0
    attempts: int = 0
    version: int = 1
    lost: int = 0
    deaths: int = 0
    worker_id: int | None = None
    due: bool = True
    promoted: bool = True  # as long as it waits: among the jobs that are due

    @property
    def suspect(self) -> bool:
        return self.lost + self.deaths > 0

    def change(self, status: str) -> None:
        self.status = status
        self.version += 1
        self.worker_id = None

    def row(self) -> tuple[Any, ...]:
        return (
            self.status,
            self.claim,
            self.attempts,
            self.version,
            self.lost,
            self.deaths,
            self.worker_id,
        )


@dataclass
class Worker:
    expired: bool = False
    declared_lost: bool = False  # for good
    draining: bool = False


@dataclass
class Postgres:
    """A database of the test, spoken to from ordinary code."""

    runner: asyncio.Runner
    db: asyncpg.Connection
    seen: dict[str, int] = field(default_factory=dict)  # rows returned by each statement

    def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        return self._wait(self.db.fetch(sql, *args))

    def run(self, name: str, *args: Any) -> list[asyncpg.Record]:
        rows = self.fetch(query(name), *args)
        self.seen[name] = self.seen.get(name, 0) + len(rows)
        return rows

    def _wait(self, answer: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(answer)


class Statements:
    """Each step is a statement or a fact of life; after each, the table must be as the model
    says."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.jobs: dict[UUID, Job] = {}
        self.workers: dict[int, Worker] = {}
        self.gone: list[int] = []
        self.runs: list[tuple[UUID, int, int]] = []  # every (id, claim, worker) ever handed out
        self.before: dict[UUID, asyncpg.Record] = {}
        self.retried: UUID | None = None
        self.postgres.fetch("DELETE FROM jobs")
        self.postgres.fetch("DELETE FROM workers")
        self.insert_jobs(IDS[:3], TYPES[0], due=True)
        self.register_worker(draining=False)
        self.register_worker(draining=False)

    # Statements

    def insert_jobs(self, ids: list[UUID], job_type: str, due: bool) -> None:
        columns = ["t", job_type, "{}", 0, None, 0 if due else 3_600_000, *[None] * 7]
        rows = self.postgres.run("insert_jobs", ids, *([value] * len(ids) for value in columns))
        new = {
            job_id: Job(job_type, due=due, promoted=due)
            for job_id in ids
            if job_id not in self.jobs
        }
        assert sorted(row["id"] for row in rows) == sorted(new)
        self.jobs |= new

    def register_worker(self, draining: bool) -> None:
        who = ("w", None, None, None)
        (row,) = self.postgres.run(
            "register_worker", *who, 1, 1, 1, TYPES, [], [], 10.0, "1", draining
        )
        assert row["id"] not in self.workers
        assert row["id"] not in self.gone
        self.workers[row["id"]] = Worker(draining=draining)

    def drain_worker(self, n: int, draining: bool) -> None:
        """Only of a worker that lives."""
        worker_id = self._worker(n)
        worker = self.workers.get(worker_id)
        rows = self.postgres.run("drain_worker", worker_id, draining)
        alive = worker is not None and not worker.expired and not worker.declared_lost
        assert [row["draining"] for row in rows] == [draining] * alive
        if worker and rows:
            worker.draining = draining

    def beat_worker(self, n: int) -> None:
        """A lease that has run out may be renewed until somebody has taken the jobs."""
        worker_id = ([*self.workers, *self.gone])[n % (len(self.workers) + len(self.gone))]
        rows = self.postgres.run("beat_worker", worker_id, 10.0, 0, [])
        worker = self.workers.get(worker_id)
        assert bool(rows) == (worker is not None and not worker.declared_lost)
        if worker and rows:
            worker.expired = False
            assert rows[0]["draining"] == worker.draining

    def claim_jobs(self, asked: list[UUID], n: int, types: list[str], suspects: bool) -> None:
        worker_id = self._worker(n)
        worker = self.workers.get(worker_id)
        rows = self.postgres.run(
            "claim_jobs", asked, worker_id, types, [60_000] * len(types), suspects, 4096
        )

        def claimable(job: Job) -> bool:
            return (
                job.status == "PENDING"
                and job.due
                and job.type in types
                and job.suspect == suspects
            )

        claimed = set()
        if worker and not (worker.expired or worker.declared_lost or worker.draining):
            claimed = {i for i in asked if (job := self.jobs.get(i)) and claimable(job)}
        assert sorted(row["id"] for row in rows) == sorted(claimed)
        for row in rows:
            job = self.jobs[row["id"]]
            job.change("RUNNING")
            job.claim += 1
            job.attempts += 1
            job.worker_id = worker_id
            told = row["claim"], row["attempts"], row["version"], row["crashes"], row["deaths"]
            assert told == (job.claim, job.attempts, job.version, job.lost, job.deaths)
            self.runs.append((row["id"], job.claim, worker_id))

    def complete_jobs(self, writes: list[tuple[int, int]], n: int) -> None:
        ids, claims, worker_id = self._writes(writes, n)
        rows = self.postgres.run("complete_jobs", ids, claims, ["1"] * len(ids), worker_id)
        self._ended(rows, ids, claims, worker_id, ["COMPLETED"] * len(ids))

    def end_runs(
        self,
        writes: list[tuple[int, int]],
        n: int,
        ends: list[tuple[str, int, int, int, int, str | None]],
    ) -> None:
        ids, claims, worker_id = self._writes(writes, n)
        ends = ends[: len(ids)]
        rows = self.postgres.run(
            "end_runs",
            ids,
            claims,
            *(list(column) for column in zip(*ends, strict=True)),
            [None] * len(ends),
            worker_id,
        )
        for job_id, end in zip(
            self._ended(rows, ids, claims, worker_id, [end[0] for end in ends]), ends, strict=True
        ):
            if job_id:
                _, delay_ms, back, lost, deaths, _ = end
                job = self.jobs[job_id]
                job.attempts -= back
                job.lost += lost
                job.deaths += deaths
                if job.status == "PENDING":
                    job.due = job.promoted = delay_ms == 0

    def rescue_jobs(self, limit: int) -> None:
        """Whoever is lost is declared so, also if not all of its jobs are freed by this
        statement."""

        def stranded(job: Job) -> bool:
            worker = self.workers.get(job.worker_id or 0)
            return job.status == "RUNNING" and (worker is None or worker.expired)

        expected = sorted(job_id for job_id, job in self.jobs.items() if stranded(job))[:limit]
        rows = self.postgres.run("rescue_jobs", limit, MAX_DEATHS)
        assert sorted(row["id"] for row in rows) == expected
        for worker in self.workers.values():
            worker.declared_lost |= worker.expired
        for row in rows:
            job = self.jobs[row["id"]]
            job.deaths += 1
            job.change("FAILED" if job.deaths >= MAX_DEATHS else "PENDING")
            job.due = job.promoted = True
            job.attempts = max(job.attempts - 1, 0)
            assert (row["status"], row["attempts"], row["version"]) == (
                job.status,
                job.attempts,
                job.version,
            )

    def promote_delayed_jobs(self) -> None:
        (row,) = self.postgres.run("promote_delayed_jobs", 1000, EARLIEST)
        late = [
            job
            for job in self.jobs.values()
            if job.status == "PENDING" and job.due and not job.promoted
        ]
        assert (row["may"], row["due"]) == (True, len(late))
        for job in late:
            job.promoted = True
        waiting = {row["id"] for row in self.postgres.fetch("SELECT id FROM waiting_jobs")}
        assert waiting == {
            job_id for job_id, job in self.jobs.items() if job.status == "PENDING" and job.promoted
        }

    def fold_counts(self) -> None:
        self.postgres.fetch(query("fold_counts"), 1000)

    def fold_claims(self, n: int) -> None:
        worker_id = self._worker(n)
        rows = self.postgres.run("fold_claims", worker_id, [])
        running = [
            (job_id, job.claim)
            for job_id, job in self.jobs.items()
            if job.status == "RUNNING" and job.worker_id == worker_id
        ]
        assert sorted(map(tuple, rows)) == sorted(running)

    def prune_claims(self) -> None:
        self.postgres.fetch(query("prune_claims"))

    def cancel_job(self, job_id: UUID) -> None:
        job = self.jobs.get(job_id)
        rows = self.postgres.run("cancel_job", job_id)
        assert bool(rows) == (job is not None and job.status in {"PENDING", "RUNNING"})
        if job and rows:
            job.change("CANCELLED")

    def retry_job(self, job_id: UUID) -> None:
        job = self.jobs.get(job_id)
        rows = self.postgres.run("retry_job", job_id)
        assert bool(rows) == (job is not None and job.status in {"FAILED", "CANCELLED"})
        if job and rows:
            job.change("PENDING")
            job.attempts = job.lost = job.deaths = 0
            job.due = job.promoted = True
            self.retried = job_id

    def remove_jobs(self, told: bool) -> None:
        """Whatever has ended, if viewers have been told of it."""
        due = {job_id for job_id, job in self.jobs.items() if told and job.status in TERMINAL}
        (row,) = self.postgres.run(
            "remove_jobs", UUID(int=0), 0.0, 0.0, 10, 10**12 if told else 0, False
        )
        assert (row["looked"], row["due"], row["removed"]) == (len(self.jobs), len(due), len(due))
        for job_id in due:
            del self.jobs[job_id]

    # Facts of life, some of them made up: they bring a job near the ends of its counters

    def worker(self, n: int, what: str) -> None:
        if not self.workers:
            return
        worker_id = list(self.workers)[n % len(self.workers)]
        worker = self.workers[worker_id]
        if what == "expires":
            self.postgres.fetch(
                "UPDATE workers SET expires_at = now() - interval '1 ms' WHERE id = $1", worker_id
            )
            worker.expired = True
        elif what == "is proved dead":
            rows = self.postgres.run("report_dead_workers", [worker_id, *self.gone])
            assert bool(rows) != worker.expired
            worker.expired = True
        elif what == "is removed":
            self.postgres.fetch(query("remove_worker"), worker_id)
            del self.workers[worker_id]
            self.gone.append(worker_id)

    def a_job_has_died_often(self, n: int, lost: int, deaths: int) -> None:
        if not self.jobs:
            return
        job_id = list(self.jobs)[n % len(self.jobs)]
        job = self.jobs[job_id]
        job.lost, job.deaths = lost, deaths
        self.postgres.fetch(
            "UPDATE jobs SET crashes = $2, deaths = $3 WHERE id = $1", job_id, lost, deaths
        )

    def a_delayed_job_is_due(self, job_id: UUID) -> None:
        """Time passes: its row among the delayed ones is as it was, and the promoter has not come
        yet."""
        job = self.jobs.get(job_id)
        if job is None or job.status != "PENDING" or job.due:
            return
        past = "now() - interval '1 s'"
        self.postgres.fetch("ALTER TABLE jobs DISABLE TRIGGER follow_updated_jobs")
        self.postgres.fetch(f"UPDATE jobs SET run_at = {past} WHERE id = $1", job_id)
        self.postgres.fetch("ALTER TABLE jobs ENABLE TRIGGER follow_updated_jobs")
        self.postgres.fetch(
            (
                "UPDATE delayed_jobs SET run_at = (SELECT run_at FROM jobs WHERE jobs.id = $1) "
                "WHERE id = $1"
            ),
            job_id,
        )
        job.due = True

    # What must hold after each

    def the_table_is_as_the_model_says(self) -> None:
        now = {row["id"]: row for row in self.postgres.fetch(EVERYTHING)}
        assert {job_id: tuple(row)[1:8] for job_id, row in now.items()} == {
            job_id: job.row() for job_id, job in self.jobs.items()
        }
        for job_id, row in now.items():
            assert row["finished"] == (row["status"] in TERMINAL)
            if before := self.before.get(job_id):
                self._check_change(before, row, retried=job_id == self.retried)
        assert self.postgres.fetch(DIFFER) == []
        self.before = now
        self.retried = None

    @staticmethod
    def _check_change(before: asyncpg.Record, after: asyncpg.Record, *, retried: bool) -> None:
        """I2-I5, said without the model."""
        changed = before["version"] != after["version"]
        assert changed or tuple(before)[1:5] == tuple(after)[1:5], "a change without a new version"
        assert after["version"] - before["version"] in {0, 1}
        assert (after["changed_xid"] > before["changed_xid"]) == changed
        claimed = changed and after["status"] == "RUNNING"
        assert after["claim"] - before["claim"] == int(claimed)
        if changed:
            assert after["status"] in (RETRY_EDGES if retried else EDGES)[before["status"]]
        assert after["history"] >= before["history"]

    # Choices

    def _worker(self, n: int) -> int:
        known = [i for i, worker in self.workers.items() if n < 9 and not worker.expired] or [
            *self.workers,
            *self.gone,
        ]
        return known[n % len(known)]

    def _writes(self, writes: list[tuple[int, int]], n: int) -> tuple[list[UUID], list[int], int]:
        """Ends of runs, each job once; half of the time of what runs now. Now and then under a
        claim or a worker that is not theirs."""
        current = (
            [
                (job_id, job.claim, job.worker_id)
                for job_id, job in self.jobs.items()
                if job.worker_id
            ]
            if n < 6
            else []
        )
        runs = current or self.runs or [(IDS[0], 1, self._worker(n))]
        worker_id = runs[writes[0][0] % len(runs)][2] if n % 6 else self._worker(n)
        chosen = {}
        for pick, wrong in writes:
            job_id, claim, _ = runs[pick % len(runs)]
            chosen[job_id] = claim + wrong
        return list(chosen), list(chosen.values()), worker_id

    def _ended(
        self,
        rows: list[asyncpg.Record],
        ids: list[UUID],
        claims: list[int],
        worker_id: int,
        statuses: list[str],
    ) -> list[UUID | None]:
        """For each write its job, or None where it must have been stale; the model's rows
        follow."""
        accepted: list[UUID | None] = []
        for job_id, claim, status in zip(ids, claims, statuses, strict=True):
            job = self.jobs.get(job_id)
            if job and job.status == "RUNNING" and (job.claim, job.worker_id) == (claim, worker_id):
                accepted.append(job_id)
                job.change(status)
            else:
                accepted.append(None)
        told = sorted((row["id"], row["version"]) for row in rows)
        assert told == sorted((job_id, self.jobs[job_id].version) for job_id in accepted if job_id)
        return accepted


async def test_the_statements_do_what_the_model_says(database_url: str) -> None:
    # hypothesis calls ordinary functions, which need a loop of their own
    seen = await asyncio.to_thread(check, database_url)
    print(seen)
    assert len(seen) == 14
    assert min(seen.values()) >= EXAMPLES // 25, "some statements were hardly tried"


def check(database_url: str) -> dict[str, int]:
    """Runs the examples; returns how many rows each statement returned."""
    server_settings = {**PINNED_PLANS, "synchronous_commit": "off"}
    with asyncio.Runner() as runner:
        postgres = Postgres(
            runner, runner.run(asyncpg.connect(database_url, server_settings=server_settings))
        )

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(STEPS, min_size=MIN_STEPS, max_size=MAX_STEPS))
        def examples(steps: list[tuple[str, dict[str, Any]]]) -> None:
            statements = Statements(postgres)
            for name, arguments in steps:
                getattr(statements, name)(**arguments)
                statements.the_table_is_as_the_model_says()

        try:
            examples()
        finally:
            runner.run(postgres.db.close())
    return postgres.seen
