"""`monoq.submit`: stores jobs through a connection of the caller's. An id is handed out only for a
row that is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from monoq.errors import DatabaseUnavailable, IdempotencyConflict
from monoq.job import NewJob
from monoq.store.database import Queryable
from monoq.store.jobs import JobStore


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submit. `created` is false if the idempotency key brought back an earlier
    job, or if a waiting job was replaced."""

    id: UUID
    created: bool


async def submit(connection: Queryable, *jobs: NewJob) -> list[Submitted]:
    """Stores jobs through your own asyncpg connection, inside its transaction if there is one;
    returns one result per job, in order.

    They run after your commit: the stager finds them within about a quarter of a second. Raises
    IdempotencyConflict if a key was used with another request, and asyncpg's error with SQLSTATE
    MQ429 if a tenant would have more jobs waiting than its `maxWaiting`.
    """
    if any(job.replace for job in jobs):
        return await _submit_replacing(connection, jobs)
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


async def _submit_replacing(connection: Queryable, jobs: Sequence[NewJob]) -> list[Submitted]:
    others = [job for job in jobs if not job.replace]
    by_id = dict(zip((job.id for job in others), await submit(connection, *others), strict=True))
    # A transaction holds its keys until the commit: all take theirs in one order, so that no two
    # wait for one another.
    for job in sorted(jobs, key=lambda job: (job.tenant_id, job.key or "")):
        if job.replace:
            job_id, created = await JobStore(connection).replace_waiting_job(job)
            by_id[job.id] = Submitted(job_id, created)
    return [by_id[job.id] for job in jobs]


def _repeat_of(job: NewJob, by_key: dict[tuple[str, str | None], asyncpg.Record]) -> Submitted:
    row = by_key.get((job.tenant_id, job.idempotency_key))
    if row is None:  # between the two statements its time was over
        raise DatabaseUnavailable("this idempotency key has just expired")
    if row["request_hash"] != job.request_hash:
        raise IdempotencyConflict(
            f"the idempotency key {job.idempotency_key!r} was used with another request"
        )
    return Submitted(row["id"], False)
