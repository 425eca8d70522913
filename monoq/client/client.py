"""The Python client of the HTTP contract. It must know no more of a server than its URL."""

import asyncio
import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, cast
from urllib.parse import quote

import httpx

from monoq import codec
from monoq.client.shapes import Health, History, Job, JobPage
from monoq.client.stream import Stream
from monoq.errors import RequestRefused, ServerUnreachable
from monoq.job import NewJob

PolicyKind = Literal["tenants", "types", "defaults"]

FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


class Client:
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
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=False)
        self._url = url

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def submit(
        self,
        tenant_id: str,
        job_type: str,
        payload: Any = None,
        *,
        priority: int | None = None,
        delay_ms: int | None = None,
        run_at: datetime | None = None,
        max_attempts: int | None = None,
        timeout_ms: int | None = None,
        idempotency_key: str | None = None,
        callback_url: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Creates a job and returns its id.

        Args:
            tenant_id: Whose job it is.
            job_type: The name of its handler.
            payload: Any value that has a JSON form; None is `{}`.
            priority: -100 to 100; the lower runs first, within its tenant. 0 by default.
            delay_ms: Milliseconds before it may run.
            run_at: When it may run, with a time zone; not together with `delay_ms`.
            max_attempts: How many runs there may be, the first included; by default what the
                handler says.
            timeout_ms: Milliseconds that each run may take; by default what the handler says.
            idempotency_key: Submitted again with the same key, the first job's id is returned.
            callback_url: Gets a signed webhook when the job has ended, however it ends.
            tags: Up to eight names and values to find it by, like {"order": "17"}.

        Raises:
            InvalidJson: The payload has no JSON form.
            RequestRefused: 422 names each bad field, 409 a key that was used for another request.

        >>> await client.submit("acme", "send_email", {"to": "a@example.com"}, delay_ms=60_000)
        """
        options = {
            "priority": priority,
            "delayMs": delay_ms,
            "runAt": run_at,
            "maxAttempts": max_attempts,
            "timeoutMs": timeout_ms,
            "idempotencyKey": idempotency_key,
            "callbackUrl": callback_url,
            "tags": dict(tags) if tags else None,
        }
        job = {
            "tenantId": tenant_id,
            "type": job_type,
            "payload": {} if payload is None else payload,
            **{name: value for name, value in options.items() if value is not None},
        }
        return str((await self._post("/jobs", job))["jobId"])

    async def submit_many(self, jobs: Sequence[NewJob | Mapping[str, Any]]) -> builtins.list[str]:
        """Creates up to 10,000 jobs, all or none; returns their ids in order.

        Args:
            jobs: NewJobs, or objects as in POST /jobs. The id of a NewJob is not used: the server
                gives its own.

        Raises:
            InvalidJson: A payload has no JSON form.
            RequestRefused: 422 names each bad field, like `jobs.3.payload.to`.

        >>> await client.submit_many([NewJob("acme", "echo", {"n": n}) for n in range(100)])
        """
        items = [_job_json(job) if isinstance(job, NewJob) else dict(job) for job in jobs]
        return list((await self._post("/jobs/batch", {"jobs": items}))["jobIds"])

    async def get(self, job_id: str) -> Job:
        """One job with payload, result and errors. RequestRefused with status 404: there is none.

        >>> (await client.get(job_id))["status"]
        """
        return cast(Job, await self._call("GET", f"/jobs/{job_id}"))

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
        """A page of a tenant's jobs that fit all that is asked for, newest first.

        Args:
            tenant_id: Whose jobs.
            status: Only those in this status.
            type: Only those of this type.
            created_after: Only those created then or later; with a time zone.
            created_before: Only those created earlier.
            error: Only those that ended badly with an error that begins so.
            idempotency_key: Only the one with this key.
            tags: Only those with all of these.
            limit: At most so many, 1 to 500. A page may be shorter though more follow.
            cursor: `nextCursor` of the page before.

        >>> page = await client.list("acme", status="FAILED")
        """
        filters = {
            "status": status,
            "type": type,
            "createdAfter": created_after and created_after.isoformat(),
            "createdBefore": created_before and created_before.isoformat(),
            "error": error,
            "idempotencyKey": idempotency_key,
            "tag": [f"{name}:{value}" for name, value in tags.items()] if tags else None,
            "limit": limit,
            "cursor": cursor,
        }
        params = {name: value for name, value in filters.items() if value is not None}
        page = await self._call("GET", "/jobs", params={"tenantId": tenant_id, **params})
        return cast(JobPage, page)

    async def cancel(self, job_id: str) -> Job:
        """Cancels a waiting or running job; returns it. RequestRefused with status 409: it is
        neither.

        >>> await client.cancel(job_id)
        """
        return cast(Job, await self._call("POST", f"/jobs/{job_id}/cancel", json={}))

    async def retry(self, job_id: str) -> Job:
        """Puts a failed or cancelled job back, with all its attempts; returns it. RequestRefused
        with status 409: it is neither.

        >>> await client.retry(job_id)
        """
        return cast(Job, await self._call("POST", f"/jobs/{job_id}/retry", json={}))

    async def explain(self, job_id: str) -> dict[str, Any]:
        """Why a job waits: its `status`, the first `reason`, an object with a `code`, and the same
        as a sentence, `message`. RequestRefused with status 404: there is no such job.

        >>> (await client.explain(job_id))["message"]
        """
        return await self._call("GET", f"/jobs/{job_id}/explain")

    async def wait(self, job_id: str, *, timeout: float = 60.0, poll: float = 0.1) -> Job:
        """The job once it is COMPLETED, FAILED or CANCELLED.

        Args:
            job_id: As `submit` returned it.
            timeout: Seconds after which TimeoutError is raised.
            poll: Seconds between two looks.

        >>> job = await client.wait(job_id, timeout=30)
        >>> job["status"], job["result"]
        """
        async with asyncio.timeout(timeout):
            while (job := await self.get(job_id))["status"] not in FINAL:  # noqa: ASYNC110
                await asyncio.sleep(poll)  # the fact is in another process
            return job

    def stream(self, tenant_id: str, *, cursor: str | None = None, snapshot: bool = True) -> Stream:
        """Every change of a tenant's jobs, across lost connections and restarts of servers.

        Args:
            tenant_id: Whose jobs.
            cursor: Where an earlier stream stood: what changed since comes first. Without it all
                jobs come first, as they are.
            snapshot: False: only changes come, no jobs as they are.

        Raises, while it is iterated:
            CursorRefused: With `snapshot=False`, if it is not known what changed since `cursor`:
                too much, or the database was restored.

        >>> async for update in client.stream("acme"):
        ...     print(update["jobId"], update["status"])
        """
        return Stream(self._url, self.list, tenant_id, cursor, snapshot)

    async def tenants(self, *, limit: int = 1000, cursor: str = "") -> dict[str, Any]:
        """A page of tenants by name, with their counts.

        >>> [tenant["id"] for tenant in (await client.tenants())["tenants"]]
        """
        return await self._call("GET", "/tenants", params={"limit": limit, "cursor": cursor})

    async def history(
        self,
        tenant_id: str | None = None,
        *,
        type: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        step: int | None = None,
    ) -> History:
        """What happened: jobs per minute or hour, and how long they waited and ran.

        Args:
            tenant_id: Whose jobs; None: all.
            type: Only those of this type.
            start: From when on, with a time zone; an hour before `end` without.
            end: Until when; now without.
            step: Seconds of a point, from 60 on; without, what gives 300 points at most.

        >>> [point["completed"] for point in (await client.history("acme"))["points"]]
        """
        query = {
            "tenantId": tenant_id,
            "type": type,
            "from": start and start.isoformat(),
            "to": end and end.isoformat(),
            "step": step,
        }
        params = {name: value for name, value in query.items() if value is not None}
        return cast(History, await self._call("GET", "/stats/history", params=params))

    async def policy(self, kind: PolicyKind, name: str = "") -> dict[str, Any]:
        """The policy of a tenant ("tenants"), a job type ("types"), or of each tenant without a
        value of its own ("defaults", which has no name); of a tenant also what holds now.

        >>> (await client.policy("tenants", "acme"))["effective"]["maxRunning"]
        """
        return await self._call("GET", _policy_path(kind, name))

    async def set_policy(
        self, kind: PolicyKind, name: str, policy: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Sets a whole policy, which is in force when this returns; returns it as `policy` does.

        Args:
            kind: "tenants", "types" or "defaults".
            name: Of the tenant or the type; "" for the defaults.
            policy: Any of weight, maxRunning, ratePerSecond (starts a second), burst, maxWaiting,
                paused; each a value, or {"value", "until", "then"}.

        Raises:
            RequestRefused: 422 names each bad field.

        >>> await client.set_policy("tenants", "acme", {"maxRunning": 20})
        """
        return await self._call("PUT", _policy_path(kind, name), json=dict(policy))

    async def remove_policy(self, kind: PolicyKind, name: str = "") -> dict[str, Any]:
        """Removes a whole policy; returns what is left of it.

        >>> await client.remove_policy("tenants", "acme")
        """
        return await self._call("DELETE", _policy_path(kind, name))

    async def policy_history(self, kind: PolicyKind, name: str = "") -> dict[str, Any]:
        """The last 100 changes of a policy, newest first, each with before and after.

        >>> (await client.policy_history("defaults"))["changes"]
        """
        return await self._call("GET", f"{_policy_path(kind, name)}/history")

    async def health(self) -> Health:
        """Whether the server works. RequestRefused with status 503: it does not.

        >>> (await client.health())["status"]
        """
        return cast(Health, await self._call("GET", "/health"))

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._call(
            "POST", path, content=codec.dumps(body), headers={"content-type": "application/json"}
        )

    async def _call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            response = await self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise ServerUnreachable(f"no monoq server answers at {self._url}: {error}") from error
        try:
            body = response.json()
        except ValueError:
            body = {}
        if response.is_error or not isinstance(body, dict):
            raise RequestRefused(response.status_code, body if isinstance(body, dict) else {})
        return body


def _policy_path(kind: PolicyKind, name: str) -> str:
    return f"/{kind}/{quote(name, safe='/')}" if name else f"/{kind}"


def _job_json(job: NewJob) -> dict[str, Any]:
    """A NewJob as POST /jobs takes it."""
    fields = {
        "priority": job.priority or None,
        "delayMs": job.delay_ms or None,
        "runAt": job.run_at,
        "maxAttempts": job.max_attempts,
        "timeoutMs": job.timeout_ms,
        "idempotencyKey": job.idempotency_key,
        "callbackUrl": job.callback_url,
        "tags": dict(job.tags) if job.tags else None,
    }
    return {
        "tenantId": job.tenant_id,
        "type": job.type,
        "payload": job.payload,
        **{name: value for name, value in fields.items() if value is not None},
    }
