"""The table `jobs`: one method per statement. Every state change is one compare-and-set; what comes
back is what happened. It must never decide what should happen."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from monoq import codec
from monoq.job import NewJob, Status
from monoq.store.database import Queryable, Row, query


class EndedRun(NamedTuple):
    """The end of a run, other than success. (id, claim) is the fence, together with the worker.

    `status`: PENDING (it runs again after `delay_ms`), FAILED or CANCELLED. `attempts_back` is 1 if
    the run is not to count as an attempt, `crashes` 1 if it took its own process with it, `deaths`
    1 if something else ended that process. `error` goes into the history, with its `traceback`;
    None: nothing to record.
    """

    id: UUID
    claim: int
    status: Status
    delay_ms: int = 0
    attempts_back: int = 0
    crashes: int = 0
    deaths: int = 0
    error: str | None = None
    traceback: str | None = None


class Promotion(NamedTuple):
    """What promoting delayed jobs came to: whether this process was to do it, how many jobs were
    due, when the last of them was, and in how many seconds the next one is; None: there is none."""

    was_ours: bool
    due: int
    last: datetime | None
    next_in_s: float | None


class JobStore:
    """Reads and writes jobs through a Database, or through a connection inside a caller's
    transaction."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def insert_jobs(self, jobs: Sequence[NewJob]) -> set[UUID]:
        """Stores jobs in one transaction; returns the ids that are new. May be repeated after an
        unclear commit.

        A transaction that stores a key waits for others that have just stored it: all take their
        keys in one order, so that no two wait for one another.
        """
        ordered = sorted(jobs, key=lambda job: (job.tenant_id, job.idempotency_key or ""))
        rows = await self._database.fetch(query("insert_jobs"), *_insert_columns(ordered))
        return {row["id"] for row in rows}

    async def insert_new_jobs(self, jobs: Sequence[NewJob]) -> None:
        """Stores jobs without idempotency keys in one transaction; not to be repeated after an
        unclear commit."""
        await self._database.fetch(query("insert_new_jobs"), *_insert_columns(jobs)[:12])

    async def replace_waiting_job(self, job: NewJob) -> tuple[UUID, bool]:
        """Stores a job, or puts it in the place of the last waiting one of its key and type;
        returns whose id it has, and whether it is a new one."""
        row = await self._database.fetchrow(
            query("replace_waiting_job"),
            job.id,
            job.tenant_id,
            job.type,
            job.payload_json,
            job.priority,
            job.run_at,
            job.delay_ms,
            job.max_attempts,
            job.timeout_ms,
            job.callback_url,
            job.key,
            codec.dumps(job.tags) if job.tags else None,
        )
        assert row
        return row["id"], row["created"]

    async def find_submitted(self, jobs: Sequence[NewJob]) -> Sequence[Row]:
        """What is stored for jobs that an insert left alone: id, tenant_id, idempotency_key,
        request_hash."""
        return await self._database.fetch(query("find_submitted"), *_find_columns(jobs))

    async def claim_jobs(
        self,
        ids: Sequence[str],
        worker_id: int,
        timeouts_ms: dict[str, int],
        *,
        suspects: bool,
        inline_bytes: int,
        limited: bool = False,
    ) -> Sequence[Row]:
        """Takes those of `ids` (well-formed) that wait, are due and are of a type in `timeouts_ms`,
        each RUNNING under a new claim.

        `suspects`: only suspects, or all others. `limited`: a limiting policy exists; without it,
        nothing is taken while one does. Rows of id, tenant_id, type, payload (None: larger than
        `inline_bytes`), claim, attempts, max_attempts, timeout_ms, version, crashes, deaths,
        payload_bytes, waited_s, at (seconds since 1970), xid (the claim's transaction), keyed.
        """
        types, timeouts = list(timeouts_ms), list(timeouts_ms.values())
        text = query("claim_gated_jobs") if limited else query("claim_jobs")
        return await self._database.fetch(
            text, ids, worker_id, types, timeouts, suspects, inline_bytes
        )

    async def read_payloads(self, ids: Sequence[UUID]) -> dict[UUID, str]:
        """The payloads, as JSON text, that a claim left out."""
        rows = await self._database.fetch(query("read_payloads"), ids)
        return {row["id"]: row["payload"] for row in rows}

    async def complete_jobs(
        self,
        ids: Sequence[UUID],
        claims: Sequence[int],
        results: Sequence[str | None],
        worker_id: int,
    ) -> Sequence[Row]:
        """Success for runs that still hold their claim; the rows (id, version, at) that do not come
        back were stale."""
        return await self._database.fetch(query("complete_jobs"), ids, claims, results, worker_id)

    async def end_runs(self, runs: Sequence[EndedRun], worker_id: int) -> Sequence[Row]:
        """Any other end of runs that still hold their claim. Rows as of complete_jobs."""
        if not runs:
            return []
        columns = zip(*runs, strict=True)
        return await self._database.fetch(query("end_runs"), *columns, worker_id)

    async def find_completed(self, ids: Sequence[UUID], versions: Sequence[int]) -> set[UUID]:
        """Which of these jobs are COMPLETED in just these versions."""
        rows = await self._database.fetch(query("find_completed"), ids, versions)
        return {row["id"] for row in rows}

    async def select_waiting_jobs(
        self,
        limit: int,
        places: Sequence[Sequence[object]],
        busy: Sequence[Sequence[object]],
        depth: int,
    ) -> Sequence[Row]:
        """The first waiting jobs of each pair of type and tenant, `depth` times an even share of
        `limit`; `places` and `busy` are columns: see select_waiting_jobs.sql.

        Rows of depth, suspect, type, tenant_id, ids ("id,id,…"), n, oldest (seconds since 1970),
        priorities, run_ats, first_priority, first_run_at, first_id.
        """
        return await self._database.fetch(
            query("select_waiting_jobs"), limit, *places, *busy, depth
        )

    async def measure_held(
        self, types: Sequence[str], least: int, least_run_s: float
    ) -> Sequence[Row]:
        """Rows of tenant_id, held, age_s: what tenants hold of the slots for these types; none if
        fewer than `least` jobs run, or if no worker has seen one of `least_run_s` seconds."""
        return await self._database.fetch(query("measure_held"), types, least, least_run_s)

    async def select_ids_of_others(
        self, ids: Sequence[str], tenants: Sequence[str]
    ) -> Sequence[str]:
        """Those of these jobs that wait, and are of none of these tenants."""
        rows = await self._database.fetch(query("select_ids_of_others"), ids, tenants)
        return [row["id"] for row in rows]

    async def promote_delayed_jobs(self, limit: int, since: datetime) -> Promotion:
        """Lets up to `limit` jobs whose time has come wait with the others; those due before
        `since` are passed over."""
        (row,) = await self._database.fetch(query("promote_delayed_jobs"), limit, since)
        return Promotion(row["may"], row["due"], row["last"], row["next_in_s"])

    async def rescue_jobs(self, limit: int, max_deaths: int) -> Sequence[Row]:
        """Frees jobs of lost workers; returns them as they are now."""
        return await self._database.fetch(query("rescue_jobs"), limit, max_deaths)

    async def fold_claims(self, worker_id: int, ended: Sequence[int]) -> Sequence[Row]:
        """Rows of id and claim: the jobs that a worker is running, as far as Postgres knows; its
        claims shrink to these. `ended`: transactions of claims of which nothing runs any more."""
        return await self._database.fetch(query("fold_claims"), worker_id, ended)

    async def get_job(self, job_id: UUID) -> Row | None:
        """One job with payload, result and errors."""
        return await self._database.fetchrow(query("get_job"), job_id)

    async def cancel_job(self, job_id: UUID) -> Row | None:
        """Cancels a PENDING or RUNNING job; None if it is neither."""
        return await self._database.fetchrow(query("cancel_job"), job_id)

    async def retry_job(self, job_id: UUID) -> Row | None:
        """Puts a FAILED or CANCELLED job back; None if it is neither."""
        return await self._database.fetchrow(query("retry_job"), job_id)


def _insert_columns(jobs: Sequence[NewJob]) -> tuple[list[Any], ...]:
    """The arguments of insert_jobs.sql."""
    return (
        [job.id for job in jobs],
        [job.tenant_id for job in jobs],
        [job.type for job in jobs],
        [job.payload_json for job in jobs],
        _or_empty([job.priority or None for job in jobs]),
        _or_empty([job.run_at for job in jobs]),
        _or_empty([job.delay_ms or None for job in jobs]),
        _or_empty([job.max_attempts for job in jobs]),
        _or_empty([job.timeout_ms for job in jobs]),
        _or_empty([job.callback_url for job in jobs]),
        _or_empty([job.key for job in jobs]),
        _or_empty([codec.dumps(job.tags) if job.tags else None for job in jobs]),
        _or_empty([job.idempotency_key for job in jobs]),
        _or_empty([job.request_hash for job in jobs]),
    )


def _or_empty(column: list[Any]) -> list[Any]:
    """A column without a value is sent as an empty array, which `unnest` pads with NULL: each value
    of a column costs the driver, the way and PostgreSQL, and most jobs leave most columns alone."""
    return [] if column.count(None) == len(column) else column


def _find_columns(jobs: Sequence[NewJob]) -> tuple[list[Any], ...]:
    keyed = [job for job in jobs if job.idempotency_key is not None]
    return (
        [job.id for job in jobs],
        [job.tenant_id for job in keyed],
        [job.idempotency_key for job in keyed],
    )
