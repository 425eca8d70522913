"""`monoq.submit`: stores jobs through a connection of the caller's. An id is handed out only for a
row that is stored."""

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
    job."""

    id: UUID
    created: bool


async def submit(connection: Queryable, *jobs: NewJob) -> list[Submitted]:
    """Stores jobs through your own asyncpg connection, inside its transaction if there is one;
    returns one result per job, in order.

    They run after your commit: the stager finds them within about a quarter of a second. Raises
    IdempotencyConflict if a key was used with another request, and asyncpg's error with SQLSTATE
    MQ429 if a tenant would have more jobs waiting than its `maxWaiting`.
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
