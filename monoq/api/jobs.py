"""The routes under /jobs: parse, call one thing, answer. They must hold no rule of their own."""

import asyncio
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError
from quart import Blueprint, Response, request

from monoq import codec
from monoq.api.problems import Problem, field_errors
from monoq.api.schemas import ListRequest, read_batch, read_job
from monoq.job import Status, job_json
from monoq.live.publisher import Publisher
from monoq.live.wire import Change
from monoq.registry import App
from monoq.store.database import Row
from monoq.store.jobs import JobStore
from monoq.submit import Pusher, Submitter

MAX_JOB_BYTES = 256 * 1024
MAX_BATCH_BYTES = 16 * 1024 * 1024


def jobs_blueprint(
    *, app: App, accept_unknown: bool, submitter: Submitter, store: JobStore, publisher: Publisher, pusher: Pusher
) -> Blueprint:
    """The routes, over what they need."""
    jobs = Blueprint("jobs", __name__)

    @jobs.post("/jobs")
    async def create_job() -> Response:
        body = codec.loads(await _body(MAX_JOB_BYTES))
        job = read_job(body, request.headers.get("Idempotency-Key"), app, accept_unknown)
        (submitted,) = await submitter.submit([job])
        response = _json({"jobId": str(submitted.id)}, 201 if submitted.created else 200)
        response.headers["Location"] = f"/jobs/{submitted.id}"
        return response

    @jobs.post("/jobs/batch")
    async def create_jobs() -> Response:
        new = read_batch(codec.loads(await _body(MAX_BATCH_BYTES)), app, accept_unknown)
        submitted = await submitter.submit(new)
        return _json({"jobIds": [str(one.id) for one in submitted]}, 201 if any(one.created for one in submitted) else 200)

    @jobs.get("/jobs")
    async def list_jobs() -> Response:
        try:
            asked = ListRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is wrong", field_errors(error)) from None
        rows = await store.list_jobs(asked.tenant_id, asked.status, asked.type, asked.cursor, asked.limit + 1)
        page = [job_json(row) for row in rows[: asked.limit]]
        return _json({"jobs": page, "nextCursor": page[-1]["id"] if len(rows) > asked.limit else None})

    @jobs.get("/jobs/<job_id>")
    async def get_job(job_id: str) -> Response:
        return _json(job_json(await _existing(job_id)))

    @jobs.post("/jobs/<job_id>/cancel")
    async def cancel_job(job_id: str) -> Response:
        row = await store.cancel_job(_job_id(job_id))
        if row is None:
            raise _wrong_state(await _existing(job_id), "only a PENDING or RUNNING job can be cancelled")
        _publish(row)
        return _json(job_json(row))

    @jobs.post("/jobs/<job_id>/retry")
    async def retry_job(job_id: str) -> Response:
        row = await store.retry_job(_job_id(job_id))
        if row is None:
            raise _wrong_state(await _existing(job_id), "only a FAILED or CANCELLED job can be retried")
        _publish(row)
        pusher.push([row["id"]])
        return _json(job_json(row))

    async def _existing(job_id: str) -> Row:
        row = await store.get_job(_job_id(job_id))
        if row is None:
            raise Problem(404, f"there is no job {job_id[:100]}")
        return row

    def _publish(row: Row) -> None:
        publisher.publish([Change.of_row(row)])

    return jobs


def _wrong_state(row: Row, rule: str) -> Problem:
    return Problem(409, f"the job is {Status(row['status'])}: {rule}")


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem(404, f"there is no job {text[:100]}") from None


async def _body(most: int) -> bytes:
    """Read here piece by piece: Quart holds a body in chunks to the server's limit only, not to the route's."""
    too_large = Problem(413, f"the body is larger than {most} bytes")
    if (request.content_length or 0) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(request.body_timeout):
            async for data in request.body:
                body += data
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise Problem(408, f"the body did not arrive within {request.body_timeout} seconds") from None
    return bytes(body)


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, content_type="application/json")
