"""Batch handlers: one call for many jobs, and an outcome for each. Pure values."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from monoq.app.context import JobContext

P = TypeVar("P")

MAX_SIZE = 1000
MAX_LINGER_MS = 200  # a claimed job that has not begun after half a second goes back


@dataclass(frozen=True, slots=True)
class BatchJob(Generic[P]):
    """One job of a batch: its payload, and the context of its run.

    >>> @app.batch_handler("index", max_size=50, linger_ms=20)
    ... async def index(jobs: list[BatchJob[Document]]) -> dict[UUID, Any]:
    ...     await search.index([job.payload for job in jobs])
    ...     return {job.job_id: None for job in jobs}
    """

    payload: P
    ctx: JobContext

    @property
    def job_id(self) -> UUID:
        """The job's id."""
        return self.ctx.job_id

    @property
    def tenant_id(self) -> str:
        """The job's tenant."""
        return self.ctx.tenant_id


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """At most `max_size` jobs in a call; the first waits up to `linger_s` seconds for others.
    `by_tenant`: jobs of one tenant only."""

    max_size: int
    linger_s: float
    by_tenant: bool


class NoOutcome(Exception):  # noqa: N818
    """The batch handler returned no outcome for this job."""


def outcomes_of(returned: Any, jobs: list[BatchJob[Any]]) -> list[Any]:
    """What a batch handler returned, for each of its jobs: a result, an Outcome or an exception.

    It may return None (all are done), a mapping by job id, or a sequence in the order of the jobs.
    Raises TypeError for anything else.
    """
    if returned is None:
        return [None] * len(jobs)
    if isinstance(returned, dict):
        by_id = {str(key): value for key, value in returned.items()}
        missing = NoOutcome("the batch handler returned no outcome for this job")
        return [by_id.get(str(job.job_id), missing) for job in jobs]
    if isinstance(returned, list | tuple) and len(returned) == len(jobs):
        return list(returned)
    raise TypeError(
        "a batch handler must return None, a dict by job id, or a list with one outcome per job;"
        f" not {type(returned).__name__}"
        + (f" of {len(returned)}" if isinstance(returned, list | tuple) else "")
    )
