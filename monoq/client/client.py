"""The Python client of the HTTP contract. It must know no more of a server than its URL."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx

from monoq import codec
from monoq.client.stream import Stream
from monoq.errors import RequestRefused, ServerUnreachable

Job = dict[str, Any]  # as in the HTTP contract

FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


class Client:
    """`async with Client("http://127.0.0.1:8000") as client: await client.submit("acme", "echo",
    {"n": 1})`.

    Raises RequestRefused for an error the server tells, ServerUnreachable if there is none.
    """

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=False)
        self._url = url

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def submit(
        self, tenant_id: str, job_type: str, payload: Any = None, **options: Any
    ) -> str:
        """Creates a job and returns its id. Options as in POST /jobs: priority, delayMs, runAt,
        maxAttempts, timeoutMs, idempotencyKey.

        Raises InvalidJson for a payload that has no JSON form.
        """
        job = {
            "tenantId": tenant_id,
            "type": job_type,
            "payload": {} if payload is None else payload,
            **options,
        }
        return str((await self._post("/jobs", job))["jobId"])

    async def submit_many(self, jobs: Sequence[Job]) -> list[str]:
        """Creates up to 10,000 jobs, all or none; returns their ids in order."""
        return list((await self._post("/jobs/batch", {"jobs": list(jobs)}))["jobIds"])

    async def get(self, job_id: str) -> Job:
        """One job with payload, result and errors."""
        return await self._call("GET", f"/jobs/{job_id}")

    async def list(self, tenant_id: str, **filters: Any) -> Job:
        """A page, newest first: `{"jobs": […], "nextCursor": …}`. Filters: status, type, limit,
        cursor."""
        return await self._call(
            "GET",
            "/jobs",
            params={"tenantId": tenant_id, **{k: v for k, v in filters.items() if v is not None}},
        )

    async def cancel(self, job_id: str) -> Job:
        """Cancels a waiting or running job; returns it."""
        return await self._call("POST", f"/jobs/{job_id}/cancel", json={})

    async def retry(self, job_id: str) -> Job:
        """Puts a failed or cancelled job back; returns it."""
        return await self._call("POST", f"/jobs/{job_id}/retry", json={})

    async def wait(self, job_id: str, *, timeout: float = 60.0, poll: float = 0.1) -> Job:
        """The job once it has ended; raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while (job := await self.get(job_id))["status"] not in FINAL:  # noqa: ASYNC110
                await asyncio.sleep(poll)  # the fact is in another process
            return job

    def stream(self, tenant_id: str, *, cursor: str | None = None, snapshot: bool = True) -> Stream:
        """`async for update in client.stream("acme")`: every change of a tenant's jobs, over lost
        connections and restarts of servers.

        First come all jobs as they are, or, given a `cursor` (another stream's), what changed
        since. With `snapshot=False` only what changes comes, and CursorRefused is raised when it is
        not known what that was: too much, or the database was restored.
        """
        return Stream(self._url, self.list, tenant_id, cursor, snapshot)

    async def health(self) -> Job:
        """`{"status": "ok" | "degraded", …}`."""
        return await self._call("GET", "/health")

    async def _post(self, path: str, body: Job) -> Job:
        return await self._call(
            "POST", path, content=codec.dumps(body), headers={"content-type": "application/json"}
        )

    async def _call(self, method: str, path: str, **request: Any) -> Job:
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
