"""A model of `maxRunning`: every interleaving of claims, ends, rescues, persons and cap changes.

The protocol as monoq has it must pass. Each broken variant must give its counter-example.
Two tenants: one has a limit; the job of the other is why a claim begins when no job of the first
waits. A worker may be frozen: its run goes on after the rescue and ends late.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from explore import Exploration, Step, explore

PENDING, RUNNING, ENDED = "PENDING", "RUNNING", "ENDED"
CAPPED, FREE = 0, 1
TENANTS = (CAPPED, CAPPED, CAPPED, FREE)  # of each job
WORKERS = 2


@dataclass(frozen=True)
class Protocol:
    """The rules; each default is what monoq does."""

    counts: str = "after the lock"  # or "in the claiming statement": the snapshot before the wait
    locks: bool = True  # claims of one key go one after the other
    keys_of: str = "all"  # the jobs asked for; or "pending": those that waited before the lock
    fenced: bool = True  # an end counts only if the claim is still that of the run
    frees_on: frozenset[str] = frozenset({"end", "rescue", "cancel"})  # what moves the counter
    change_waits: bool = True  # a policy is changed while no claim is under way
    heal: str = "none"  # or "set": a counter that is set to what was counted before


class Job(NamedTuple):
    status: str = PENDING
    claim: int = 0


class Run(NamedTuple):
    job: int
    claim: int


class Worker(NamedTuple):
    """A claim under way: its `stage`, the jobs asked for that have a limit, and what it counted."""

    stage: str = "idle"  # idle, asked, locked
    limited: frozenset[int] = frozenset()
    seen: int = 0
    runs: frozenset[Run] = frozenset()


class State(NamedTuple):
    jobs: tuple[Job, ...]
    workers: tuple[Worker, ...]
    counted: int  # running jobs of the tenant with a limit, as the triggers say
    cap: int  # 0: none
    lock: int  # who holds the lock of the key; -1: nobody
    healing: int  # what the healer counted; -1: it is not under way
    faults: tuple[int, ...]  # left, in the order of FAULTS


FAULTS = ("rescue", "person", "policy", "heal")


def running(jobs: tuple[Job, ...]) -> int:
    return sum(job.status == RUNNING and TENANTS[n] == CAPPED for n, job in enumerate(jobs))


class Limits:
    """The model: `steps` of a protocol."""

    def __init__(self, protocol: Protocol, *, cap: int, **faults: int) -> None:
        self.protocol = protocol
        self.initial = State(
            (Job(),) * len(TENANTS),
            (Worker(),) * WORKERS,
            0,
            cap,
            -1,
            -1,
            tuple(faults.get(kind, 0) for kind in FAULTS),
        )

    def steps(self, state: State) -> Iterator[Step]:
        for n, worker in enumerate(state.workers):
            yield from self._claim(state, n, worker)
            yield from self._ends(state, n, worker)
        yield from self._faults(state)

    def _claim(self, state: State, n: int, worker: Worker) -> Iterator[Step]:
        """Asks for every job, as a list may hold any; takes what its snapshot lets it take."""
        if worker.stage == "idle" and any(job.status == PENDING for job in state.jobs):
            limited = frozenset(
                job
                for job, tenant in enumerate(TENANTS)
                if tenant == CAPPED
                and state.cap
                and (self.protocol.keys_of == "all" or state.jobs[job].status == PENDING)
            )
            # A claim that finds one job of a key has found the key.
            asked = Worker("asked", _whole_key(limited), state.counted, worker.runs)
            yield Step(f"worker {n} asks", _with(state, n, asked))
        elif worker.stage == "asked":
            needs = self.protocol.locks and bool(worker.limited)
            if not needs or state.lock < 0:
                after = _with(state, n, worker._replace(stage="locked"))
                if needs:
                    after = after._replace(lock=n)
                yield Step(f"worker {n} has its locks", after)
        elif worker.stage == "locked":
            yield self._take(state, n, worker)

    def _take(self, state: State, n: int, worker: Worker) -> Step:
        late = self.protocol.counts == "after the lock"
        room = max(state.cap - (state.counted if late else worker.seen), 0)
        jobs, runs, started = list(state.jobs), set(worker.runs), 0
        for job, row in enumerate(state.jobs):
            if row.status != PENDING:
                continue
            if job in worker.limited:
                if not room:
                    continue
                room -= 1
            jobs[job] = Job(RUNNING, row.claim + 1)
            runs.add(Run(job, row.claim + 1))
            started += TENANTS[job] == CAPPED
        after = _with(state, n, Worker(runs=frozenset(runs)))._replace(
            jobs=tuple(jobs),
            counted=state.counted + started,
            lock=-1 if state.lock == n else state.lock,
        )
        above = bool(started) and 0 < state.cap < running(after.jobs)
        return self._step(f"worker {n} takes", after, above=above)

    def _ends(self, state: State, n: int, worker: Worker) -> Iterator[Step]:
        for run in sorted(worker.runs):
            row = state.jobs[run.job]
            mine = row == Job(RUNNING, run.claim)
            after = _with(state, n, worker._replace(runs=worker.runs - {run}))
            if mine:
                after = self._move(after, run.job, ENDED, "end")
            elif not self.protocol.fenced and TENANTS[run.job] == CAPPED:
                after = after._replace(counted=after.counted - 1)
            yield self._step(f"worker {n} ends job {run.job}", after)

    def _faults(self, state: State) -> Iterator[Step]:
        for job, row in enumerate(state.jobs):
            if row.status == RUNNING and (left := _less(state, "rescue")):
                # Its worker may be frozen, not dead: its run goes on and ends late.
                yield self._step(
                    f"job {job} is rescued", self._move(left, job, PENDING, "rescue"), fair=False
                )
            if row.status != PENDING and (left := _less(state, "person")):
                retried = row.status == ENDED
                to, why = (PENDING, "retry") if retried else (ENDED, "cancel")
                yield self._step(f"job {job}: {why}", self._move(left, job, to, why), fair=False)
        if left := _less(state, "policy"):
            idle = all(worker.stage == "idle" for worker in state.workers)
            if idle or not self.protocol.change_waits:
                for cap in {1, 2} - {state.cap}:
                    yield self._step(f"the cap is {cap}", left._replace(cap=cap), fair=False)
        if self.protocol.heal == "set":
            if state.healing >= 0:
                healed = state._replace(counted=state.healing, healing=-1)
                yield self._step("the healer sets", healed)
            elif left := _less(state, "heal"):
                counting = left._replace(healing=running(state.jobs))
                yield self._step("the healer counts", counting, fair=False)

    def _move(self, state: State, job: int, status: str, why: str) -> State:
        jobs = list(state.jobs)
        was, jobs[job] = jobs[job], jobs[job]._replace(status=status)
        frees = was.status == RUNNING and TENANTS[job] == CAPPED and why in self.protocol.frees_on
        return state._replace(jobs=tuple(jobs), counted=state.counted - frees)

    def _step(self, action: str, after: State, *, above: bool = False, fair: bool = True) -> Step:
        broken = {"never above the cap"} if above else set()
        if after.counted != running(after.jobs):
            broken.add("the count is what runs")
        return Step(action, after, frozenset(broken), fair)

    def explore(self, *watch: str) -> Exploration:
        return explore(
            self.initial, self.steps, good=_all_ended, stuck="every job ends", watch=watch or None
        )


def _whole_key(limited: frozenset[int]) -> frozenset[int]:
    """The jobs of the tenant, if the claim has seen one of them."""
    return frozenset(job for job, tenant in enumerate(TENANTS) if limited and tenant == CAPPED)


def _with(state: State, n: int, worker: Worker) -> State:
    return state._replace(workers=(*state.workers[:n], worker, *state.workers[n + 1 :]))


def _less(state: State, kind: str) -> State | None:
    n = FAULTS.index(kind)
    if not state.faults[n]:
        return None
    return state._replace(faults=(*state.faults[:n], state.faults[n] - 1, *state.faults[n + 1 :]))


def _all_ended(state: State) -> bool:
    return all(job.status == ENDED for job in state.jobs)


ABOVE, COUNT, STUCK = "never above the cap", "the count is what runs", "every job ends"
SCENARIOS = {
    "races": {"cap": 2},
    "rescues": {"cap": 1, "rescue": 2},
    "persons": {"cap": 1, "person": 2},
    "the first policy": {"cap": 0, "policy": 1},
    "a cap that changes": {"cap": 2, "policy": 2},
    "a rescue and a person": {"cap": 1, "rescue": 1, "person": 1},
    "a rescue and a policy": {"cap": 1, "rescue": 1, "policy": 1},
    "a person and a policy": {"cap": 1, "person": 1, "policy": 1},
}
ALL_OF_IT = {"cap": 1, "rescue": 1, "person": 1, "policy": 1}
BROKEN = {
    "counts in the claiming statement": (Protocol(counts="early"), "races", ABOVE),
    "has no lock, counts early": (Protocol(locks=False, counts="early"), "races", ABOVE),
    "a stale worker releases": (Protocol(fenced=False), "rescues", COUNT),
    "a stale worker releases, and one too many runs": (Protocol(fenced=False), "rescues", ABOVE),
    "a rescue does not release": (
        Protocol(frees_on=frozenset({"end", "cancel"})),
        "rescues",
        STUCK,
    ),
    "a cancel does not release": (
        Protocol(frees_on=frozenset({"end", "rescue"})),
        "persons",
        STUCK,
    ),
    "a policy does not wait for claims": (
        Protocol(change_waits=False),
        "the first policy",
        ABOVE,
    ),
    "keys of what waited before the lock": (Protocol(keys_of="pending"), "persons", ABOVE),
    "a healer sets the count": (Protocol(heal="set"), "healer", ABOVE),
}


@pytest.mark.parametrize(
    "faults",
    [*SCENARIOS.values(), pytest.param(ALL_OF_IT, marks=pytest.mark.soak)],
    ids=[*SCENARIOS, "all of it"],
)
def test_no_interleaving_breaks_a_cap_or_holds_a_job_for_ever(faults: dict[str, int]) -> None:
    seen = Limits(Protocol(), **faults).explore()
    assert seen.broken is None, str(seen)
    assert seen.states > 100


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_limit_gives_its_counter_example(name: str) -> None:
    protocol, scenario, invariant = BROKEN[name]
    faults = {**SCENARIOS, "healer": {"cap": 1, "heal": 1}}[scenario]
    seen = Limits(protocol, **faults).explore(invariant)
    assert seen.broken is not None, str(seen)
    assert seen.broken.invariant == invariant
