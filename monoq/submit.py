"""Submitting: insert → commit → push. An id is handed out only after its row is committed; the push
after it is a hint, never an error."""

import asyncio
import logging
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from monoq.errors import (
    DatabaseUnavailable,
    IdempotencyConflict,
    InvalidJob,
    MonoqError,
    QueueUnavailable,
)
from monoq.job import NewJob, Status
from monoq.live.change import Changes
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.process import failpoint
from monoq.process.service import Service
from monoq.process.timeout import SharedTimeout
from monoq.queue.ready import Ready, join
from monoq.store.database import Database, Queryable, is_of_the_input
from monoq.store.jobs import JobStore

log = logging.getLogger(__name__)

# jobs in one INSERT, at most, unless one request brings more: beyond it a commit's cost per job
# falls no further
GROUP_JOBS = 2000
GROUP_BYTES = 8 * 1024 * 1024  # likewise
# of jobs that are not stored yet, before more are refused: PostgreSQL may be away
WAITING_BYTES = 64 * 1024 * 1024
LANES = 2  # INSERTs under way at once: while one waits for its fsync, the next is being sent
# an insert that failed sooner than this is tried once more; later, the caller's patience is spent
RETRY_WITHIN_S = 1.0
ANSWER_WITHIN_S = 4.5  # whatever Postgres does
MAX_UNPUSHED = 20_000  # ids that wait for Redis; more are dropped, for the stager to find
MAX_PUSHED = 5_000  # ids of one INSERT that are pushed
NEWCOMER_S = 0.1  # a tenant that stored nothing for this long is a newcomer
MAX_FRONTED = 4  # jobs of a newcomer that go to the front of a list
MAX_SEEN = 20_000  # tenants that are remembered for it


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submit. `created` is false if the idempotency key brought back an earlier
    job."""

    id: UUID
    created: bool


async def submit(connection: Queryable, *jobs: NewJob) -> list[Submitted]:
    """Stores jobs through your own asyncpg connection, inside its transaction if there is one;
    returns one result per job, in order.

    They run after your commit: the stager finds them within about a quarter of a second. Raises
    IdempotencyConflict if a key was used with another request.
    """
    store = JobStore(connection)
    created = await store.insert_jobs(jobs)
    if len(created) == len(jobs):
        return [Submitted(job.id, True) for job in jobs]
    found = await store.find_submitted([job for job in jobs if job.id not in created])
    by_key = {(row["tenant_id"], row["idempotency_key"]): row for row in found}
    # An id that was in place already is ours: the first try of this insert was committed though its
    # answer was lost.
    created |= {row["id"] for row in found}
    return [
        Submitted(job.id, True) if job.id in created else _repeat_of(job, by_key) for job in jobs
    ]


def _repeat_of(job: NewJob, by_key: dict[tuple[str, str | None], asyncpg.Record]) -> Submitted:
    row = by_key.get((job.tenant_id, job.idempotency_key))
    if row is None:  # deleted between the two statements: nothing of it is known any more
        raise DatabaseUnavailable("the job with this idempotency key was just deleted")
    if row["request_hash"] != job.request_hash:
        raise IdempotencyConflict(
            f"the idempotency key {job.idempotency_key!r} was used with another request"
        )
    return Submitted(row["id"], False)


@dataclass(slots=True)
class _Request:
    jobs: Sequence[NewJob]
    size: int
    done: "asyncio.Future[list[Submitted]]"
    is_waiting: bool = True


class Submitter(Service):
    """Group commit: what arrives while an INSERT is under way goes into the next one. Each request
    gets its own answer."""

    name = "submitter"

    def __init__(
        self, *, database: Database, pusher: "Pusher", publisher: Publisher, metrics: Metrics
    ) -> None:
        super().__init__()
        self._database = database
        self._pusher = pusher
        self._publisher = publisher
        self._metrics = metrics
        self._waiting: deque[_Request] = deque()
        self._size = 0  # of all that callers wait for
        self._arrived = asyncio.Event()
        self._patience = SharedTimeout(ANSWER_WITHIN_S)

    async def submit(self, jobs: Sequence[NewJob]) -> list[Submitted]:
        """Stores the jobs of one request, all or none; returns after the commit. Raises
        DatabaseUnavailable, IdempotencyConflict."""
        if self.stopping.is_set():
            raise DatabaseUnavailable("this process is stopping")
        request = _Request(
            jobs, sum(job.size for job in jobs), asyncio.get_running_loop().create_future()
        )
        if self._size and self._size + request.size > WAITING_BYTES:
            raise DatabaseUnavailable("too many jobs wait to be stored")
        self._size += request.size
        self._waiting.append(request)
        self._arrived.set()
        try:
            with self._patience:
                return await request.done
        except TimeoutError:
            raise DatabaseUnavailable(
                "PostgreSQL did not answer in time; whether the jobs were stored is not known"
            ) from None
        finally:
            self._size -= request.size
            if request.is_waiting:
                # nobody waits for them: they need not be kept until their turn comes
                request.jobs = ()

    def stop(self) -> None:
        super().stop()
        self._arrived.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(LANES):
                lanes.create_task(self._commit_groups())

    async def _commit_groups(self) -> None:
        while self._waiting or not self.stopping.is_set():
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            # a round of the loop, in which what has reached this process comes in: it doubles the
            # groups
            await asyncio.sleep(0)
            if self._waiting:
                await self._commit(self._next_group())

    def _next_group(self) -> list[_Request]:
        group: list[_Request] = []
        jobs = size = 0
        while self._waiting:
            jobs, size = jobs + len(self._waiting[0].jobs), size + self._waiting[0].size
            if group and (jobs > GROUP_JOBS or size > GROUP_BYTES):
                break
            group.append(self._waiting.popleft())
            group[-1].is_waiting = False
        return group

    async def _commit(self, group: list[_Request]) -> None:
        # a caller that went away stores nothing
        group = [request for request in group if not request.done.done()]
        jobs = [job for request in group for job in request.jobs]
        if not jobs:
            return
        try:
            failpoint.hit("before_insert")
            submitted = await self._insert(jobs)
            failpoint.hit("after_insert")
        except Exception as error:  # noqa: BLE001 - every caller must get an answer
            if isinstance(error, IdempotencyConflict) or is_of_the_input(error):
                await self._refuse(group, error)
            else:
                _fail(group, _told(error))
        else:
            self._announce(jobs, submitted)
            answers = iter(submitted)
            for request in group:
                answer = [next(answers) for _ in request.jobs]
                if not request.done.done():
                    request.done.set_result(answer)

    async def _refuse(self, group: list[_Request], error: Exception) -> None:
        """One request spoiled its group: nothing was stored. Alone, each gets its own answer."""
        if len(group) > 1:
            for request in group:
                await self._commit([request])
        elif isinstance(error, IdempotencyConflict):
            _fail(group, error)
        else:
            _fail(group, InvalidJob([{"field": "", "message": f"PostgreSQL refused it: {error}"}]))

    async def _insert(self, jobs: Sequence[NewJob]) -> list[Submitted]:
        """One transaction. Sent once more after an outage that was short: the same ids, so an
        unclear commit is no duplicate."""
        began = time.monotonic()
        try:
            return await self._insert_first(jobs)
        except DatabaseUnavailable:
            if time.monotonic() - began > RETRY_WITHIN_S:
                raise
            return await self._insert_once(jobs)

    async def _insert_first(self, jobs: Sequence[NewJob]) -> list[Submitted]:
        if any(job.idempotency_key is not None for job in jobs):
            return await self._insert_once(jobs)
        await JobStore(self._database).insert_new_jobs(jobs)
        return [Submitted(job.id, True) for job in jobs]

    async def _insert_once(self, jobs: Sequence[NewJob]) -> list[Submitted]:
        if all(job.idempotency_key is None for job in jobs):
            return await submit(self._database, *jobs)
        # A conflicting key must take the rest of its request back with it.
        return await self._database.in_transaction(lambda connection: submit(connection, *jobs))

    def _announce(self, jobs: Sequence[NewJob], submitted: Sequence[Submitted]) -> None:
        new = [job for job, result in zip(jobs, submitted, strict=True) if result.created]
        self._metrics.jobs_stored([job.type for job in new], len(jobs))
        changes = Changes(Status.PENDING, at=time.time())
        for job in new:
            changes.add(job.tenant_id, job.id, version=1, job_type=job.type, attempts=0)
        self._publisher.publish(changes)
        self._pusher.push(
            [Stored(job.id, job.tenant_id, job.type, job.priority) for job in new if job.is_due]
        )


def _told(error: Exception) -> Exception:
    """An error that nobody expects is logged once, however many wait, and may be gone when they ask
    again."""
    if isinstance(error, MonoqError):
        return error
    log.error("jobs could not be stored", exc_info=error)
    return DatabaseUnavailable("the jobs could not be stored, for a reason that was logged")


def _fail(group: list[_Request], error: Exception) -> None:
    for request in group:
        if not request.done.done():
            request.done.set_exception(error)


class Stored(NamedTuple):
    """A job that was just stored, and is due."""

    id: UUID
    tenant_id: str
    type: str
    priority: int


class Pusher(Service):
    """Puts the ids of committed jobs on their lists, as far as nobody else waits for the room, so
    that nobody's answer waits for Redis."""

    name = "pusher"

    def __init__(self, ready: Ready, metrics: Metrics) -> None:
        super().__init__()
        self._ready = ready
        self._metrics = metrics
        self._jobs: deque[Stored] = deque(maxlen=MAX_UNPUSHED)
        self._arrived = asyncio.Event()
        self._seen: OrderedDict[str, float] = OrderedDict()

    def push(self, jobs: Sequence[Stored]) -> None:
        """Takes jobs to push; returns at once."""
        self._jobs.extend(jobs[:MAX_PUSHED])  # what cannot fit is the stager's
        self._arrived.set()

    def stop(self) -> None:
        super().stop()
        self._arrived.set()

    async def run(self) -> None:
        while self._jobs or not self.stopping.is_set():
            if not self._jobs:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            jobs = list(self._jobs)
            self._jobs.clear()
            for name, (newcomers, others) in self._by_list(jobs).items():
                try:
                    await self._ready.push(name, join(others), join(newcomers))
                except QueueUnavailable as error:
                    self._metrics.failed_pushes.inc()
                    log.debug("%d ids not pushed: %s", len(newcomers) + len(others), error)

    def _by_list(self, jobs: Sequence[Stored]) -> dict[str, tuple[list[UUID], list[UUID]]]:
        """For each list the ids of newcomers and of others. A tenant that stored nothing here a
        moment ago is a newcomer: its jobs need not wait for the next look, which would put them in
        front as well."""
        now = time.monotonic()
        new_here = {
            tenant for tenant in {job.tenant_id for job in jobs} if self._is_newcomer(tenant, now)
        }
        by_list: defaultdict[str, tuple[list[UUID], list[UUID]]] = defaultdict(lambda: ([], []))
        fronted: defaultdict[str, int] = defaultdict(int)
        for job in jobs:
            name = self._ready.lists.name_for(job.type)
            if name is None:
                continue
            newcomers, others = by_list[name]
            if (
                job.tenant_id in new_here
                and job.priority <= 0
                and fronted[job.tenant_id] < MAX_FRONTED
            ):
                fronted[job.tenant_id] += 1
                newcomers.append(job.id)
            else:
                others.append(job.id)
        return by_list

    def _is_newcomer(self, tenant_id: str, now: float) -> bool:
        last = self._seen.pop(tenant_id, 0.0)
        self._seen[tenant_id] = now
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        return now - last > NEWCOMER_S
