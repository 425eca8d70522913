"""The Python client of the HTTP API. It must know nothing of a server but its URL."""

import asyncio
import builtins
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Self, Unpack, cast, overload
from urllib.parse import quote
from weakref import WeakSet

from monoq.client.bulk import BulkCalls
from monoq.client.policies import PolicyCalls
from monoq.client.requests import (
    JobId,
    P,
    SubmitOptions,
    Takes,
    TakesMany,
    TakesNothing,
    request_of,
    request_of_many,
)
from monoq.client.shapes import Job, JobPage, LogPage
from monoq.client.stream import Stream, Updates
from monoq.client.system import SystemCalls
from monoq.client.waits import FINAL, Waits
from monoq.errors import RequestRefused, ServerUnreachable
from monoq.job import NewJob


class Client(BulkCalls, PolicyCalls, SystemCalls):
    """A connection to a running monoq, for one event loop.

    Args:
        url: Where the server is, like `http://127.0.0.1:8000`.
        timeout: Seconds for each request.

    Every method raises ServerUnreachable if no server answers, and RequestRefused if one answers
    with an error: `status` is the HTTP status, `problem` the problem+json.

    >>> async with Client("http://127.0.0.1:8000") as client:
    ...     job_id = await client.submit("acme", "send_email", {"to": "a@example.com"})
    ...     job = await client.wait(job_id, timeout=30)
    """

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        super().__init__(url, timeout=timeout)
        self._waits = Waits(url)
        self._streams: WeakSet[Stream] = WeakSet()
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes its connections, and the streams that are still open."""
        for stream in list(self._streams):
            with suppress(RuntimeError):  # it is being iterated at this moment
                await stream.aclose()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._waits.close()
        await self._http.aclose()

    @overload
    async def submit(
        self,
        tenant_id: str,
        job_type: str,
        payload: Any = None,
        **options: Unpack[SubmitOptions],
    ) -> JobId: ...
    @overload
    async def submit(
        self,
        tenant_id: str,
        job_type: TakesMany[P],
        payload: P,
        **options: Unpack[SubmitOptions],
    ) -> JobId: ...
    @overload
    async def submit(
        self,
        tenant_id: str,
        job_type: Takes[P],
        payload: P,
        **options: Unpack[SubmitOptions],
    ) -> JobId: ...
    @overload
    async def submit(
        self,
        tenant_id: str,
        job_type: TakesNothing,
        **options: Unpack[SubmitOptions],
    ) -> JobId: ...
    async def submit(
        self,
        tenant_id: str,
        job_type: str | Callable[..., Any],
        payload: Any = None,
        **options: Unpack[SubmitOptions],
    ) -> JobId:
        """Creates a job and returns its id, a str whose `created` is False if the idempotency key
        brought back an earlier job, or a waiting job was replaced.

        Args:
            tenant_id: The tenant of the job.
            job_type: The name of its handler, or the handler itself: then a type checker sees
                whether the payload fits it.
            payload: Any value that has a JSON form, a pydantic model or a dataclass; None is `{}`.
            priority: -100 to 100; lower runs first, within its tenant. 0 by default.
            delay_ms: Milliseconds before it may run.
            run_at: When it may run, with a time zone; not together with `delay_ms`.
            max_attempts: Maximum number of runs, including the first; by default what the handler
                says.
            timeout_ms: Milliseconds that each run may take; by default what the handler says.
            idempotency_key: Submitted again with the same key, the first job's id is returned.
            callback_url: Gets a signed webhook when the job has ended, however it ends.
            key: Of a tenant's jobs with the same key one runs at a time, in the order of their
                submits.
            replace: If a job of this key and type waits, it is replaced: it keeps its id.
            tags: Up to eight names and values to find it by, like {"order": "17"}.

        Raises:
            InvalidJson: The payload has no JSON form.
            RequestRefused: 422 names each bad field, 409 a key that was used for another request.

        >>> await client.submit("acme", "send_email", {"to": "a@example.com"}, delay_ms=60_000)
        >>> await client.submit("acme", send_email, Email(to="a@example.com"))
        """
        job = request_of(tenant_id, job_type, payload, options)
        status, answer = await self._send_for_status("POST", "/jobs", job)
        return JobId(answer["jobId"], created=status == 201)

    async def submit_many(self, jobs: Sequence[NewJob | Mapping[str, Any]]) -> builtins.list[JobId]:
        """Creates up to 10,000 jobs, all or none; returns their ids in order, as `submit` does.

        Args:
            jobs: NewJobs, or objects as in POST /jobs. The id of a NewJob is not used: the server
                gives its own.

        Raises:
            InvalidJson: A payload has no JSON form.
            RequestRefused: 422 names each bad field, like `jobs.3.payload.to`.

        >>> await client.submit_many([NewJob("acme", "echo", {"n": n}) for n in range(100)])
        """
        items = [request_of_many(job) for job in jobs]
        answer = await self._send("POST", "/jobs/batch", {"jobs": items})
        repeated = set(answer.get("repeated", ()))
        return [
            JobId(job_id, created=place not in repeated)
            for place, job_id in enumerate(answer["jobIds"])
        ]

    async def get(self, job_id: str) -> Job:
        """One job with payload, result and errors. RequestRefused with status 404: there is none.

        >>> (await client.get(job_id))["status"]
        """
        return cast(Job, await self._get(_path(job_id)))

    async def list(
        self,
        tenant_id: str,
        *,
        status: str | None = None,
        type: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        error: str | None = None,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """A page of a tenant's jobs that match all filters, newest first.

        Args:
            tenant_id: Whose jobs.
            status: Only those in this status.
            type: Only those of this type.
            created_after: Only jobs created at this time or later; with a time zone.
            created_before: Only those created earlier.
            error: Only FAILED and CANCELLED jobs whose error has this prefix.
            idempotency_key: Only the one with this key.
            tags: Only those with all of these.
            limit: At most so many, 1 to 500. A page may be shorter though more follow.
            cursor: `nextCursor` of the page before.

        >>> page = await client.list("acme", status="FAILED")
        """
        page = await self._get(
            "/jobs",
            tenantId=tenant_id,
            status=status,
            type=type,
            createdAfter=created_after and created_after.isoformat(),
            createdBefore=created_before and created_before.isoformat(),
            error=error,
            idempotencyKey=idempotency_key,
            tag=[f"{name}:{value}" for name, value in tags.items()] if tags else None,
            limit=limit,
            cursor=cursor,
        )
        return cast(JobPage, page)

    async def cancel(self, job_id: str) -> Job:
        """Cancels a waiting or running job; returns it. RequestRefused with status 409: it is
        neither.

        >>> await client.cancel(job_id)
        """
        return cast(Job, await self._send("POST", f"{_path(job_id)}/cancel", {}))

    async def retry(self, job_id: str) -> Job:
        """Puts a failed or cancelled job back, with all its attempts; returns it. RequestRefused
        with status 409: it is neither.

        >>> await client.retry(job_id)
        """
        return cast(Job, await self._send("POST", f"{_path(job_id)}/retry", {}))

    async def explain(self, job_id: str) -> dict[str, Any]:
        """Why a job waits: its `status`, the first `reason`, an object with a `code`, and the same
        as a sentence, `message`. RequestRefused with status 404: there is no such job.

        >>> (await client.explain(job_id))["message"]
        """
        return await self._get(f"{_path(job_id)}/explain")

    async def log(self, job_id: str, *, after: int = 0, limit: int = 1000) -> LogPage:
        """What the job's handler has logged, oldest first. RequestRefused with status 404: there is
        no such job.

        Args:
            after: Only lines after this offset: `next` of the page before.
            limit: At most so many, 1 to 1,000.

        >>> [line["text"] for line in (await client.log(job_id))["lines"]]
        """
        return cast(LogPage, await self._get(f"{_path(job_id)}/log", after=after, limit=limit))

    async def wait(self, job_id: str, *, timeout: float = 60.0, poll: float = 0.5) -> Job:
        """The job once it is COMPLETED, FAILED or CANCELLED, which a stream of changes tells. A
        server that goes away meanwhile is waited for.

        Args:
            job_id: As `submit` returned it.
            timeout: Seconds after which TimeoutError is raised.
            poll: Seconds between two looks at the job, as long as there is no stream.

        >>> job = await client.wait(job_id, timeout=30)
        >>> job["status"], job["result"]
        """
        async with asyncio.timeout(timeout):
            job = await self.get(job_id)
            if job["status"] in FINAL:
                return job
            with self._waits.waiting_for(job["tenantId"], job["id"]) as wait:
                while job["status"] not in FINAL:
                    await wait.for_news(poll)
                    job = await self._look(job)
            return job

    async def _look(self, job: Job) -> Job:
        """The job as it is now; its last known state while no server answers."""
        try:
            return await self.get(job["id"])
        except ServerUnreachable:
            return job
        except RequestRefused as error:
            if error.status < 500:
                raise
            return job

    def stream(self, tenant_id: str, *, cursor: str | None = None, snapshot: bool = True) -> Stream:
        """Every change of a tenant's jobs, across lost connections and restarts of servers.

        Args:
            tenant_id: Whose jobs.
            cursor: Where an earlier stream stood: what changed since comes first. Without it all
                jobs come first, as they are.
            snapshot: False: only changes come, no jobs as they are.

        `async with` closes it at the end of the block.

        Raises, while it is iterated:
            CursorRefused: With `snapshot=False`, if it is not known what changed since `cursor`:
                too much, or the database was restored.

        >>> async with client.stream("acme") as updates:
        ...     async for update in updates:
        ...         print(update["jobId"], update["status"])
        """
        stream = Stream(self._url, self.list, tenant_id, cursor, snapshot, left=self._close_soon)
        self._streams.add(stream)
        return stream

    def _close_soon(self, updates: Updates) -> None:
        """Closes the connections of streams that are no longer iterated."""
        with suppress(RuntimeError):  # the event loop has ended, and its connections with it
            task = asyncio.get_running_loop().create_task(_closed(updates))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _closed(updates: Updates) -> None:
    await updates.aclose()


def _path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"
