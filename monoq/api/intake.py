"""POST /jobs and POST /jobs/batch, as plain ASGI in front of Quart: the two calls that come by the thousand, and Quart costs 100 µs
a request. It must answer just as the routes behind it do."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from monoq import codec
from monoq.api.problems import Problem, problem_of
from monoq.api.schemas import read_batch, read_job
from monoq.registry import App
from monoq.submit import Submitter
from monoq.timeout import SharedTimeout

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Headers = dict[bytes, bytes]

MAX_JOB_BYTES = 256 * 1024
MAX_BATCH_BYTES = 16 * 1024 * 1024
BODY_TIMEOUT_S = 20


class Disconnected(Exception):  # noqa: N818 - the end of a request, not an error
    """The client is gone before its request was whole."""


class Intake:
    """An ASGI application around another, which gets every other request."""

    def __init__(self, behind: Callable[[Event, Receive, Send], Awaitable[None]], *, app: App, accept_unknown: bool, submitter: Submitter):
        self._behind = behind
        self._app = app
        self._accept_unknown = accept_unknown
        self._submitter = submitter
        self._patience = SharedTimeout(BODY_TIMEOUT_S)
        self._routes = {"/jobs": (self._create_job, MAX_JOB_BYTES), "/jobs/batch": (self._create_jobs, MAX_BATCH_BYTES)}

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if route is None:
            return await self._behind(scope, receive, send)
        create, most = route
        headers = dict(scope["headers"])
        try:
            status, body, more = await create(headers, await self._read(headers, receive, most))
            told = [(b"content-type", b"application/json"), *more]
        except Disconnected:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            problem = problem_of(error)
            status, body = problem.status, problem.json()
            told = [(b"content-type", b"application/problem+json"), *problem.raw_headers()]
        told.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": told})
        return await send({"type": "http.response.body", "body": body})

    async def _create_job(self, headers: Headers, body: bytes) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        job = read_job(codec.loads(body), _key(headers), self._app, self._accept_unknown)
        (submitted,) = await self._submitter.submit([job])
        job_id = str(submitted.id)
        return 201 if submitted.created else 200, b'{"jobId":"%b"}' % job_id.encode(), [(b"location", f"/jobs/{job_id}".encode())]

    async def _create_jobs(self, headers: Headers, body: bytes) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        submitted = await self._submitter.submit(read_batch(codec.loads(body), _key(headers), self._app, self._accept_unknown))
        status = 201 if any(one.created for one in submitted) else 200
        return status, orjson.dumps({"jobIds": [str(one.id) for one in submitted]}), []

    async def _read(self, headers: Headers, receive: Receive, most: int) -> bytes:
        """The body; raises Problem 413 for more than `most` bytes, 408 for one that does not come."""
        if int(headers.get(b"content-length", b"0")) > most:
            raise _too_large(most)
        chunks: list[bytes] = []
        size = 0
        try:
            with self._patience:
                while True:
                    event = await receive()
                    if event["type"] == "http.disconnect":
                        raise Disconnected
                    chunks.append(event.get("body", b""))
                    size += len(chunks[-1])
                    if size > most:
                        raise _too_large(most)
                    if not event.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError:
            raise Problem(408, f"the body did not come within {BODY_TIMEOUT_S} s") from None


def _key(headers: Headers) -> str | None:
    key = headers.get(b"idempotency-key")
    return None if key is None else key.decode("latin-1")


def _too_large(most: int) -> Problem:
    return Problem(413, f"the body is larger than {most} bytes")
