"""Submitting: insert → commit → answer → push and publish. An id is handed out only after its row
is committed; what follows the answer is a hint, never an error."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from monoq.errors import (
    DatabaseUnavailable,
    IdempotencyConflict,
    InvalidJob,
    MonoqError,
    TenantFull,
)
from monoq.job import NewJob, Status
from monoq.live.change import Changes
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.process import failpoint
from monoq.process.batching import Batches
from monoq.process.service import Service
from monoq.process.timeout import SharedTimeout
from monoq.store.counts import CountStore
from monoq.store.database import Database, is_of_the_input
from monoq.store.drains import Drains
from monoq.store.jobs import JobStore
from monoq.submitting.insert import Submitted, submit
from monoq.submitting.pusher import Pusher, Stored

log = logging.getLogger(__name__)

# jobs in one INSERT, at most, unless one request brings more: beyond it a commit's cost per job
# falls no further
GROUP_JOBS = 2000
GROUP_BYTES = 8 * 1024 * 1024  # likewise
# of jobs that are not stored yet, before more are refused: PostgreSQL may be away
WAITING_BYTES = 64 * 1024 * 1024
LANES = 2  # INSERTs in progress at once: while one waits for its fsync, the next is being sent
# an insert that failed sooner than this is tried once more; later, the caller's patience is spent
RETRY_WITHIN_S = 1.0
ANSWER_WITHIN_S = 4.5  # whatever Postgres does


@dataclass(slots=True)
class _Request:
    jobs: Sequence[NewJob]
    size: int
    done: "asyncio.Future[list[Submitted]]"
    is_waiting: bool = True


class Submitter(Service):
    """Group commit: requests that arrive during an INSERT go into the next one. Each request gets
    its own answer."""

    name = "submitter"

    def __init__(
        self, *, database: Database, pusher: Pusher, publisher: Publisher, metrics: Metrics
    ) -> None:
        super().__init__()
        self._database = database
        self._pusher = pusher
        self._publisher = publisher
        self._metrics = metrics
        self._requests: Batches[_Request] = Batches(
            self._commit, _next_group, lanes=LANES, gather=_let_more_in
        )
        self._size = 0  # of all that callers wait for
        self._patience = SharedTimeout(ANSWER_WITHIN_S)
        self._drains = Drains(CountStore(database))

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
        self._requests.add((request,))
        try:
            with self._patience:
                return await request.done
        except TimeoutError:
            raise DatabaseUnavailable(
                "PostgreSQL did not answer in time; it is unknown whether the jobs were stored"
            ) from None
        finally:
            self._size -= request.size
            if request.is_waiting:
                # the caller is gone: do not keep its jobs until their turn
                request.jobs = ()

    def stop(self) -> None:
        super().stop()
        self._requests.close()

    async def run(self) -> None:
        await self._requests.run()

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
        except TenantFull as error:
            await self._refuse_of(error, group)
        except Exception as error:  # noqa: BLE001 - every caller must get an answer
            if isinstance(error, IdempotencyConflict) or is_of_the_input(error):
                await self._refuse(group, error)
            else:
                _fail(group, _told(error))
        else:
            _answer(group, submitted)
            # a round of the loop, in which the answers are written: no caller waits for the rest
            await asyncio.sleep(0)
            self._announce(jobs, submitted)

    async def _refuse_of(self, error: TenantFull, group: list[_Request]) -> None:
        """A tenant has no room for all of these: its requests are stored one by one, after that
        alone; the others together. No selection of requests that would still fit is made."""
        of_tenant = [
            request
            for request in group
            if any(job.tenant_id == error.tenant_id for job in request.jobs)
        ]
        others = [request for request in group if request not in of_tenant]
        if others:
            await self._commit(others)
        if len(of_tenant) == 1:
            error.retry_after_s = await self._drains.seconds_for(
                error.tenant_id, len(of_tenant[0].jobs)
            )
            _fail(of_tenant, error)
            return
        middle = len(of_tenant) // 2
        for half in of_tenant[:middle], of_tenant[middle:]:
            if half:
                await self._commit(half)

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
        if any(job.idempotency_key is not None or job.replace for job in jobs):
            return await self._insert_once(jobs)
        await JobStore(self._database).insert_new_jobs(jobs)
        return [Submitted(job.id, True) for job in jobs]

    async def _insert_once(self, jobs: Sequence[NewJob]) -> list[Submitted]:
        if all(job.idempotency_key is None and not job.replace for job in jobs):
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


async def _let_more_in() -> None:
    """A round of the loop, in which what has reached this process comes in: it doubles the
    groups."""
    await asyncio.sleep(0)


def _next_group(waiting: deque[_Request]) -> list[_Request]:
    group: list[_Request] = []
    jobs = size = 0
    while waiting:
        jobs, size = jobs + len(waiting[0].jobs), size + waiting[0].size
        if group and (jobs > GROUP_JOBS or size > GROUP_BYTES):
            break
        group.append(waiting.popleft())
        group[-1].is_waiting = False
    return group


def _answer(group: list[_Request], submitted: Sequence[Submitted]) -> None:
    start = 0
    for request in group:
        end = start + len(request.jobs)
        if not request.done.done():
            request.done.set_result(list(submitted[start:end]))
        start = end


def _told(error: Exception) -> Exception:
    """An unexpected error is logged once, however many requests wait; a retry may succeed."""
    if isinstance(error, MonoqError):
        return error
    log.error("jobs could not be stored", exc_info=error)
    return DatabaseUnavailable("the jobs could not be stored; the reason was logged")


def _fail(group: list[_Request], error: Exception) -> None:
    for request in group:
        if not request.done.done():
            request.done.set_exception(error)
