"""A model of leases and dispatch: every interleaving of claims, writes, rescues and faults.

The protocol as monoq has it must pass. Each broken variant must give its counter-example: a model
that cannot find the known bugs proves nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytest
from explore import Exploration, Step, explore

NONE, PENDING, RUNNING, COMPLETED, FAILED, CANCELLED = (
    "none",
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
)
TERMINAL = {COMPLETED, FAILED, CANCELLED}
EDGES = {
    (NONE, PENDING),
    (PENDING, RUNNING),
    (RUNNING, COMPLETED),
    (RUNNING, FAILED),
    (RUNNING, PENDING),
    (PENDING, CANCELLED),
    (RUNNING, CANCELLED),
}
RETRY_EDGES = {(FAILED, PENDING), (CANCELLED, PENDING)}
POISON = 0  # in scenarios with poison, the job that kills its process
QUEUE_LENGTH = 2
HAND = 2  # runs in a worker's hand
MAX_LOST = 3  # child processes of its own


@dataclass(frozen=True)
class Protocol:
    """The rules; each default is what monoq does. `claim` is not durable, which is less than monoq
    promises: it must not matter."""

    fence: str = "id, claim, worker"  # what a write by a run is compared with
    # statements whose answer waits for the disk
    durable: frozenset[str] = frozenset({"insert", "write", "release", "person"})
    # whether two claims by one worker under one number, with a crash between them, count as
    # different
    told_apart: bool = False
    rescue: str = "guarded"  # or "select, then write"
    claims_pending_only: bool = True
    # ids go to the list as the row is written, once: no stager, no direct claims
    pushed_once: bool = False
    # a worker whose jobs are taken is declared lost by that statement, and cannot renew its lease
    # any more
    declares: bool = True
    keeps_lost: bool = True  # the row remembers that its worker died
    suspects_alone: bool = True  # a job whose worker died runs in a child of its own
    ack: str = "after commit"  # or "before commit"
    frees_by_connection: bool = False  # a worker that lost its connection counts as dead
    own_check: bool = True
    retry_keeps_claim: bool = True


@dataclass(frozen=True)
class Scenario:
    """What is there, and how many faults of each kind may happen."""

    name: str
    jobs: int = 1
    poison: bool = False
    enqueued: bool = False  # the jobs are in the table already
    listed: bool = True  # whether ids go through the list; else they are claimed directly
    faults: dict[str, int] = field(default_factory=dict)


class Job(NamedTuple):
    status: str = NONE
    claim: int = 0
    owner: int = 0
    attempt: int = 0
    lost: int = 0
    suspect: bool = False  # a worker died with it in hand
    lease: int = 0  # ghost: which claim of all ever made this is


class Run(NamedTuple):
    job: int
    claim: int
    owner: int
    attempt: int
    alone: bool
    lease: int
    late: bool = False  # nobody wants its end any more, but it may still be written


class Worker(NamedTuple):
    id: int  # new for each start
    expired: bool = False
    cut: bool = False  # its connection is lost; it beats again in time
    popped: tuple[int, ...] = ()
    runs: tuple[Run, ...] = ()


class State(NamedTuple):
    jobs: tuple[Job, ...]
    disk: tuple[Job, ...]
    lost: frozenset[int]  # the workers that were declared lost
    disk_lost: frozenset[int]
    api: str  # new, stored, acked, gone
    queue: tuple[int, ...]
    workers: tuple[Worker, ...]
    selected: tuple[int, ...]  # by the rescuer that selects first and writes later
    leases: tuple[int, ...]  # ghost: claims ever made, per job
    deaths: tuple[int, ...]  # ghost: processes that a job has killed
    faults: tuple[int, ...]  # left, in the order of FAULTS
    next_id: int


FAULTS = ("kill", "expire", "crash", "reply", "release", "person", "cut")


class Lease:
    """The model: `steps` of a protocol in a scenario."""

    def __init__(self, protocol: Protocol, scenario: Scenario) -> None:
        self.protocol = protocol
        self.poison = scenario.poison
        self.listed = scenario.listed
        self.all_faults = sum(scenario.faults.values())
        job = Job(PENDING) if scenario.enqueued else Job()
        jobs = (job,) * scenario.jobs
        queue = tuple(range(scenario.jobs)) if scenario.enqueued and protocol.pushed_once else ()
        faults = tuple(scenario.faults.get(kind, 0) for kind in FAULTS)
        api = "acked" if scenario.enqueued else "new"
        zeros = (0,) * scenario.jobs
        self.initial = State(
            jobs,
            jobs,
            frozenset(),
            frozenset(),
            api,
            queue,
            (Worker(1), Worker(2)),
            (),
            zeros,
            zeros,
            faults,
            3,
        )

    @staticmethod
    def good(s: State) -> bool:
        """Every job has ended, or was never promised."""
        return all(
            job.status in TERMINAL or (job.status == NONE and s.api == "gone") for job in s.jobs
        )

    def steps(self, s: State) -> Iterator[Step]:
        yield from self._api(s)
        yield from self._queue(s)
        for w in range(len(s.workers)):
            yield from self._worker(s, w)
        yield from self._rescuer(s)
        yield from self._person(s)
        yield from self._postgres(s)

    def _api(self, s: State) -> Iterator[Step]:
        early = self.protocol.ack == "before commit"
        if s.api == "new" and early:
            yield Step("the API answers 2xx", s._replace(api="early"))
        if s.api == ("early" if early else "new"):
            after = s._replace(
                api="acked" if early else "stored", jobs=(Job(PENDING),) * len(s.jobs)
            )
            if self.protocol.pushed_once:
                after = after._replace(queue=tuple(range(len(s.jobs))))
            yield self._did(s, "the API commits the job", after, "insert")
        if s.api == "stored":
            yield Step("the API answers 2xx", s._replace(api="acked"))
        if s.api != "gone" and s.api != "acked" and (left := spend(s, "kill")):
            lost = "lost" if s.api == "early" else "gone"
            yield Step("the API is killed", left._replace(api=lost), fair=False)

    def _queue(self, s: State) -> Iterator[Step]:
        if s.queue:
            yield Step("Redis is wiped", s._replace(queue=()), fair=False)
        if self.protocol.pushed_once or not self.listed:
            return
        for j, job in enumerate(s.jobs):
            if job.status == PENDING and len(s.queue) < QUEUE_LENGTH:
                yield Step(f"job {j} is staged", s._replace(queue=(*s.queue, j)))

    def _worker(self, s: State, w: int) -> Iterator[Step]:
        me = s.workers[w]
        if s.queue and not me.popped:
            yield Step(
                f"w{w} pops job {s.queue[0]}",
                with_worker(s._replace(queue=s.queue[1:]), w, me._replace(popped=s.queue[:1])),
            )
        if me.popped:
            yield from self._claim(
                with_worker(s, w, me._replace(popped=())), w, me.popped[0], "from the list"
            )
        elif not self.protocol.pushed_once:
            for j, job in enumerate(s.jobs):
                if job.status == PENDING:
                    yield from self._claim(s, w, j, "directly")
        for run in me.runs:
            yield from self._run(s, w, run)
        if not me.expired and (left := spend(s, "expire")):
            yield Step(
                f"the lease of w{w} runs out",
                with_worker(left, w, me._replace(expired=True)),
                fair=False,
            )
        if not me.cut and (left := spend(s, "cut")):
            yield Step(
                f"w{w} loses its connection",
                with_worker(left, w, me._replace(cut=True)),
                fair=False,
            )
        taken = me.id in s.lost
        if me.expired and not (taken and self.protocol.declares):
            renewed = with_worker(s, w, me._replace(expired=False))
            yield Step(
                f"w{w} was cut off, and renews its lease",
                renewed,
                frozenset({"back"} if taken else ()),
            )
        if taken:
            late = tuple(sorted({run._replace(late=True) for run in me.runs}))
            fenced = Worker(s.next_id, popped=me.popped, runs=late)
            yield Step(
                f"w{w} learns that its jobs were taken",
                with_worker(s._replace(next_id=s.next_id + 1), w, fenced),
            )
        if left := spend(s, "kill"):
            yield Step(f"w{w} is killed and starts anew", reborn(left, w), fair=False)
        if self.protocol.own_check:
            known = {(run.job, run.claim, run.owner) for run in me.runs}
            for j, job in enumerate(s.jobs):
                if (
                    job.status == RUNNING
                    and job.owner == me.id
                    and (j, job.claim, me.id) not in known
                ):
                    yield self._did(
                        s,
                        f"w{w} finds that it should be running job {j}; gives it back",
                        self._give_back(s, j),
                        "release",
                    )

    def _claim(self, s: State, w: int, j: int, how: str) -> Iterator[Step]:
        """`s` is the state in which the worker has the id no more in its hand, whatever comes of
        the claim."""
        me, job = s.workers[w], s.jobs[j]
        may = (
            job.status == PENDING
            if self.protocol.claims_pending_only
            else job.status in {PENDING, RUNNING}
        )
        if not may or me.expired or sum(not run.late for run in me.runs) >= HAND:
            yield Step(f"w{w} claims job {j} {how} in vain", s)
            return
        lease = s.leases[j] + 1
        claimed = Job(RUNNING, job.claim + 1, me.id, job.attempt + 1, job.lost, job.suspect, lease)
        after = with_job(s, j, claimed)._replace(leases=put(s.leases, j, lease))
        broken = {"I6"} if job.status == RUNNING else set()
        run = Run(j, claimed.claim, me.id, claimed.attempt, job.suspect or job.lost > 0, lease)
        held = with_worker(after, w, me._replace(runs=tuple(sorted({*me.runs, run}))))
        yield self._did(s, f"w{w} claims job {j} {how}", held, "claim", broken)
        if left := spend(after, "reply"):
            yield self._did(
                s,
                f"w{w} claims job {j} {how}; the reply is lost",
                left,
                "claim",
                broken,
                fair=False,
            )

    def _run(self, s: State, w: int, run: Run) -> Iterator[Step]:
        me, job = s.workers[w], s.jobs[run.job]
        without = with_worker(
            s, w, me._replace(runs=tuple(other for other in me.runs if other != run))
        )
        name = f"w{w}, job {run.job}, claim {run.claim} by worker {run.owner}:"
        applies, broken = self._fence(job, run)
        if self.poison and run.job == POISON and not run.late:
            deaths = s.deaths[run.job] + 1
            counted = {"I8"} if deaths > 1 + MAX_LOST + self.all_faults - sum(s.faults) else set()
            killed = without._replace(deaths=put(s.deaths, run.job, deaths))
            if not run.alone or not self.protocol.suspects_alone:
                yield Step(f"{name} kills its worker", reborn(killed, w), frozenset(counted))
            else:
                lost = job.lost + 1 if self.protocol.keeps_lost else job.lost
                ended = job._replace(
                    status=FAILED if lost >= MAX_LOST else PENDING, owner=0, lost=lost
                )
                after = with_job(killed, run.job, ended) if applies else killed
                yield self._did(s, f"{name} kills its child", after, "write", broken | counted)
            return
        done = job._replace(status=COMPLETED, owner=0)
        after = with_job(without, run.job, done) if applies else without
        fate = "is written" if applies else "comes too late"
        yield self._did(s, f"{name} its result {fate}", after, "write", broken)
        if applies and not run.late and (left := spend(with_job(s, run.job, done), "reply")):
            yield self._did(
                s,
                f"{name} its result is written; the reply is lost",
                left,
                "write",
                broken,
                fair=False,
            )
        if applies and not run.late and (left := spend(without, "release")):
            late = with_worker(
                left,
                w,
                me._replace(
                    runs=tuple(sorted({*without.workers[w].runs, run._replace(late=True)}))
                ),
            )
            yield self._did(
                s,
                f"{name} is released, its handler runs on",
                self._give_back(late, run.job),
                "release",
                broken,
                fair=False,
            )

    def _fence(self, job: Job, run: Run) -> tuple[bool, set[str]]:
        """Whether a write by the run is applied, and what that breaks."""
        running = job.status == RUNNING
        held = running and job.claim == run.claim and job.owner == run.owner
        applies = {
            "id": True,
            "id, running": running,
            "attempt": running and job.attempt == run.attempt,
            "id, claim": running and job.claim == run.claim,
            "id, claim, worker": held,
        }[self.protocol.fence]
        rightful = held and (job.lease == run.lease or not self.protocol.told_apart)
        return applies, {"I3"} if applies and not rightful else set()

    def _rescuer(self, s: State) -> Iterator[Step]:
        for j, job in enumerate(s.jobs):
            if job.status == RUNNING and (self._is_dead(s, job.owner)):
                if self.protocol.rescue == "guarded":
                    yield self._rescue(s, j, f"job {j} is rescued")
                elif j not in s.selected:
                    yield Step(f"a rescuer selects job {j}", s._replace(selected=(*s.selected, j)))
        for j in s.selected:
            yield self._rescue(
                s._replace(selected=tuple(i for i in s.selected if i != j)),
                j,
                f"the rescuer frees job {j}",
            )

    def _rescue(self, s: State, j: int, action: str) -> Step:
        """Nobody is charged: the attempt comes back, and the job has not lost a process of its
        own."""
        job = s.jobs[j]
        lost, suspect = job.lost, True
        if not self.protocol.keeps_lost:
            lost, suspect = 0, False
        elif not self.protocol.suspects_alone:
            lost = job.lost + 1
        fate = FAILED if lost >= MAX_LOST else PENDING
        freed = job._replace(
            status=fate, owner=0, attempt=max(job.attempt - 1, 0), lost=lost, suspect=suspect
        )
        known = {w.id for w in s.workers} & {job.owner}
        after = with_job(s, j, freed)._replace(lost=s.lost | known)
        lives = job.status == RUNNING and any(
            w.id == job.owner and not w.expired for w in s.workers
        )
        return self._did(s, action, self._pushed(after, j), "rescue", {"live"} if lives else set())

    def _is_dead(self, s: State, owner: int) -> bool:
        gone = self.protocol.frees_by_connection
        return all(w.id != owner or w.expired or (gone and w.cut) for w in s.workers)

    def _give_back(self, s: State, j: int) -> State:
        job = s.jobs[j]
        return self._pushed(
            with_job(s, j, job._replace(status=PENDING, owner=0, attempt=job.attempt - 1)), j
        )

    def _pushed(self, s: State, j: int) -> State:
        return s._replace(queue=(*s.queue, j)) if self.protocol.pushed_once else s

    def _person(self, s: State) -> Iterator[Step]:
        left = spend(s, "person")
        if not left:
            return
        for j, job in enumerate(s.jobs):
            if job.status in {PENDING, RUNNING}:
                yield self._did(
                    s,
                    f"job {j} is cancelled",
                    with_job(left, j, job._replace(status=CANCELLED, owner=0)),
                    "person",
                    fair=False,
                )
            if job.status in {FAILED, CANCELLED}:
                claim = job.claim if self.protocol.retry_keeps_claim else 0
                again = with_job(left, j, Job(PENDING, claim, lease=job.lease))
                yield self._did(
                    s,
                    f"a person retries job {j}",
                    self._pushed(again, j),
                    "person",
                    retry=True,
                    fair=False,
                )

    def _postgres(self, s: State) -> Iterator[Step]:
        if s.disk != s.jobs and (left := spend(s, "crash")):
            undone = any(
                was.status in TERMINAL and was != now
                for was, now in zip(s.jobs, s.disk, strict=True)
            )
            yield Step("the WAL is flushed", s._replace(disk=s.jobs, disk_lost=s.lost))
            yield Step(
                "Postgres crashes",
                settled(left._replace(jobs=s.disk, lost=s.disk_lost)),
                frozenset({"I2"} if undone else ()),
                fair=False,
            )

    def _did(
        self,
        before: State,
        action: str,
        after: State,
        kind: str,
        broken: set[str] | None = None,
        *,
        retry: bool = False,
        fair: bool = True,
    ) -> Step:
        """A statement: its breaches of the rules for rows, and its way to the disk, with all that
        was written before it."""
        broken = set(broken or ())
        for j, (old, new) in enumerate(zip(before.jobs, after.jobs, strict=True)):
            if old == new:
                continue
            if old.status in TERMINAL and not retry:
                broken.add("I2")
            if new.claim < old.claim:
                broken.add("I4")
            if (old.status, new.status) not in (RETRY_EDGES if retry else EDGES):
                broken.add("I5")
            if new.status == FAILED and not (self.poison and j == POISON):
                broken.add("I8")
        if kind in self.protocol.durable:
            after = after._replace(disk=after.jobs, disk_lost=after.lost)
        return Step(action, settled(after), frozenset(broken), fair)


def put(values: tuple[int, ...], n: int, value: int) -> tuple[int, ...]:
    return (*values[:n], value, *values[n + 1 :])


def with_job(s: State, j: int, job: Job) -> State:
    return s._replace(jobs=(*s.jobs[:j], job, *s.jobs[j + 1 :]))


def with_worker(s: State, w: int, worker: Worker) -> State:
    workers = (*s.workers[:w], worker, *s.workers[w + 1 :])
    known = frozenset(worker.id for worker in workers)  # nobody asks for the others any more
    return s._replace(workers=workers, lost=s.lost & known, disk_lost=s.disk_lost & known)


def reborn(s: State, w: int) -> State:
    return with_worker(s._replace(next_id=s.next_id + 1), w, Worker(s.next_id))


def settled(s: State) -> State:
    """What is on disk matters only while a crash may come."""
    return s if s.faults[FAULTS.index("crash")] else s._replace(disk=s.jobs, disk_lost=s.lost)


def spend(s: State, kind: str) -> State | None:
    n = FAULTS.index(kind)
    return s._replace(faults=put(s.faults, n, s.faults[n] - 1)) if s.faults[n] else None


SUBMIT = Scenario("submit", faults={"kill": 1, "crash": 1, "reply": 1})
CRASH = Scenario("crash", enqueued=True, faults={"kill": 1, "expire": 1, "crash": 1})
RELEASE = Scenario(
    "release", enqueued=True, faults={"expire": 1, "release": 1, "reply": 1, "cut": 1}
)
PEOPLE = Scenario("people", enqueued=True, faults={"expire": 1, "person": 2})
BATCH = Scenario("batch", jobs=2, poison=True, enqueued=True, listed=False, faults={"kill": 1})
EVERYTHING_DURABLE = Protocol().durable | {"claim", "rescue"}


def run(protocol: Protocol, scenario: Scenario, watch: str | None = None) -> Exploration:
    model = Lease(protocol, scenario)
    seen = explore(
        model.initial,
        model.steps,
        good=model.good,
        stuck="I1",
        watch=None if watch is None else {watch},
    )
    print(f"{scenario.name}: {seen}")
    return seen


@pytest.mark.parametrize("scenario", [SUBMIT, CRASH, RELEASE, PEOPLE, BATCH], ids=lambda s: s.name)
def test_the_protocol_holds(scenario: Scenario) -> None:
    seen = run(Protocol(), scenario)
    assert not seen.broken, seen


@pytest.mark.parametrize("scenario", [CRASH, RELEASE], ids=lambda s: s.name)
def test_a_durable_claim_is_never_mixed_up(scenario: Scenario) -> None:
    """As monoq runs: every statement waits for the disk. Then a write never counts for another run,
    not even of the same worker."""
    seen = run(Protocol(durable=EVERYTHING_DURABLE, told_apart=True), scenario)
    assert not seen.broken, seen


BROKEN = [
    ("finish by id only", Protocol(fence="id"), RELEASE, "I2"),
    ("finish by id only", Protocol(fence="id"), RELEASE, "I3"),
    ("finish by id and RUNNING", Protocol(fence="id, running"), RELEASE, "I3"),
    ("fence by attempt, release gives it back", Protocol(fence="attempt"), RELEASE, "I3"),
    ("fence by id and claim, claim not on disk", Protocol(fence="id, claim"), CRASH, "I3"),
    ("claim not on disk, one worker claims again", Protocol(told_apart=True), CRASH, "I3"),
    ("rescue selects, then writes", Protocol(rescue="select, then write"), RELEASE, "I2"),
    ("rescue selects, then writes", Protocol(rescue="select, then write"), RELEASE, "live"),
    ("a lease comes back whose jobs were taken", Protocol(declares=False), RELEASE, "back"),
    ("claim without status", Protocol(claims_pending_only=False), RELEASE, "I6"),
    (
        "pushed once, wiped",
        Protocol(pushed_once=True),
        replace(RELEASE, name="wipe", faults={}),
        "I1",
    ),
    ("lost not kept in the row", Protocol(keeps_lost=False), BATCH, "I8"),
    ("every death counts for everyone in hand", Protocol(suspects_alone=False), BATCH, "I8"),
    ("2xx before COMMIT", Protocol(ack="before commit"), SUBMIT, "I1"),
    (
        "2xx after a COMMIT that is not on disk",
        Protocol(durable=frozenset({"write"})),
        SUBMIT,
        "I1",
    ),
    ("a result that is not on disk", Protocol(durable=frozenset({"insert"})), CRASH, "I2"),
    ("a lost connection frees jobs", Protocol(frees_by_connection=True), RELEASE, "live"),
    ("no own check", Protocol(own_check=False), RELEASE, "I1"),
    ("a retry starts the claims anew", Protocol(retry_keeps_claim=False), PEOPLE, "I4"),
]


@pytest.mark.parametrize(
    ("protocol", "scenario", "invariant"),
    [b[1:] for b in BROKEN],
    ids=[f"{b[0]}: {b[3]}" for b in BROKEN],
)
def test_a_broken_variant_is_found(protocol: Protocol, scenario: Scenario, invariant: str) -> None:
    seen = run(protocol, scenario, watch=invariant)
    assert seen.broken, f"no breach of {invariant} found in {seen.states} states"
    assert seen.broken.invariant == invariant
