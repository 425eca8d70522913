"""POST /jobs and POST /jobs/batch, as plain ASGI in front of Quart: the two calls that come by the
thousand, and Quart costs 100 µs a request. It must answer just as the routes behind it do."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from monoq import codec
from monoq.api.bodies import Body, Room, Turns
from monoq.api.problems import Problem, problem_of
from monoq.api.schemas import Terms, read_batch, read_job
from monoq.errors import UnknownType
from monoq.job import NewJob
from monoq.process.timeout import SharedTimeout
from monoq.submitting.submitter import Submitter

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Headers = dict[bytes, bytes]
Answer = tuple[int, bytes, list[tuple[bytes, bytes]]]  # status, body, further headers

MAX_JOB_BYTES = 256 * 1024
MAX_BATCH_BYTES = 16 * 1024 * 1024
BODY_TIMEOUT_S = 20  # for a body, however large
STEP_BYTES = 32 * 1024  # of a body, or its end, must come within
STEP_S = 5

# What a process holds at once: bodies that come, of one job and of batches; and large ones that are
# parsed and stored, which takes several times as much again. Small ones do not wait for these.
JOBS_HELD_BYTES = 16 * 1024 * 1024
BATCHES_HELD_BYTES = 48 * 1024 * 1024
LARGE_BYTES = 256 * 1024
WORKED_ON_BYTES = MAX_BATCH_BYTES


class Disconnected(Exception):  # noqa: N818 - the end of a request, not an error
    """The client is gone before its request was whole."""


class Intake:
    """An ASGI application around another, which gets every other request."""

    def __init__(
        self,
        behind: Callable[[Event, Receive, Send], Awaitable[None]],
        *,
        terms: Terms,
        submitter: Submitter,
    ):
        self._behind = behind
        self._terms = terms
        self._submitter = submitter
        self._first_step = SharedTimeout(min(STEP_S, BODY_TIMEOUT_S))
        self._routes = {
            "/jobs": (self._create_job, MAX_JOB_BYTES, Room(JOBS_HELD_BYTES)),
            "/jobs/batch": (self._create_jobs, MAX_BATCH_BYTES, Room(BATCHES_HELD_BYTES)),
        }
        self._turns = Turns(WORKED_ON_BYTES)
        self._parser = ThreadPoolExecutor(1, "parser")

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        route = (
            self._routes.get(scope["path"])
            if scope["type"] == "http" and scope["method"] == "POST"
            else None
        )
        if route is None:
            return await self._behind(scope, receive, send)
        create, most, room = route
        headers = dict(scope["headers"])
        try:
            with room.body() as body:
                await self._read(headers, receive, body, most)
                status, answer, more = await create(headers, body)
            told = [(b"content-type", b"application/json"), *more]
        except Disconnected:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            problem = problem_of(error)
            status, answer = problem.status, problem.json()
            told = [(b"content-type", b"application/problem+json"), *problem.raw_headers()]
        told.append((b"content-length", str(len(answer)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": told})
        return await send({"type": "http.response.body", "body": answer})

    async def _create_job(self, headers: Headers, body: Body) -> Answer:
        asked, key = codec.loads(body.take()), _key(headers)
        try:
            job = read_job(asked, key, self._terms)
        except UnknownType:
            await self._terms.types.look_again()
            job = read_job(asked, key, self._terms)
        body.let_go()
        (submitted,) = await self._submitter.submit([job])
        job_id = str(submitted.id)
        return (
            201 if submitted.created else 200,
            b'{"jobId":"%b"}' % job_id.encode(),
            [(b"location", f"/jobs/{job_id}".encode())],
        )

    async def _create_jobs(self, headers: Headers, body: Body) -> Answer:
        if body.size <= LARGE_BYTES:
            asked, key = codec.loads(body.take()), _key(headers)
            try:
                jobs = read_batch(asked, key, self._terms)
            except UnknownType:
                await self._terms.types.look_again()
                jobs = read_batch(asked, key, self._terms)
            return await self._store(jobs, body)
        # beforehand: what has been read is not kept to be read again, so large it is
        await self._terms.types.refresh()
        async with self._turns.turn(body):
            loop = asyncio.get_running_loop()
            return await self._store(
                await loop.run_in_executor(self._parser, self._parse, headers, body), body
            )

    def _parse(self, headers: Headers, body: Body) -> list[NewJob]:
        return read_batch(codec.loads(body.take()), _key(headers), self._terms)

    async def _store(self, jobs: list[NewJob], body: Body) -> Answer:
        body.let_go()
        submitted = await self._submitter.submit(jobs)
        status = 201 if any(one.created for one in submitted) else 200
        answer: dict[str, Any] = {"jobIds": [str(one.id) for one in submitted]}
        if repeated := [place for place, one in enumerate(submitted) if not one.created]:
            answer["repeated"] = repeated
        return status, orjson.dumps(answer), []

    async def _read(self, headers: Headers, receive: Receive, body: Body, most: int) -> None:
        """All of the body; raises Problem 413 for more than `most` bytes, 408 for one that comes
        too slowly, 503 without room."""
        if int(headers.get(b"content-length", b"0")) > most:
            raise _too_large(most)
        began = time.monotonic()
        try:
            with self._first_step:
                whole = await _read_step(receive, body, most)
            while not whole:
                await body.room_for_more()
                left = BODY_TIMEOUT_S - (time.monotonic() - began - body.waited_s)
                body.expected_since = time.monotonic()
                async with asyncio.timeout(min(STEP_S, left)) as body.limit:
                    whole = await _read_step(receive, body, most)
                body.limit = None
        except TimeoutError:
            raise Problem(
                408,
                f"the body must arrive within {BODY_TIMEOUT_S} s,"
                f" and {STEP_BYTES} bytes of it every {STEP_S} s",
            ) from None


async def _read_step(receive: Receive, body: Body, most: int) -> bool:
    """Reads on; returns after a step, and whether that was the end."""
    enough = body.size + STEP_BYTES
    while body.size < enough:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Disconnected
        body.add(event.get("body", b""))
        if body.size > most:
            raise _too_large(most)
        if not event.get("more_body", False):
            return True
    return False


def _key(headers: Headers) -> str | None:
    key = headers.get(b"idempotency-key")
    return None if key is None else key.decode("latin-1")


def _too_large(most: int) -> Problem:
    return Problem(413, f"the body is larger than {most} bytes")
