"""The routes under /jobs, apart from the two that create jobs (intake.py): parse, call one thing,
answer. No rule of their own."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError
from quart import Blueprint, Response, request

from monoq import codec
from monoq.api.listing import read_list
from monoq.api.problems import Problem, field_errors
from monoq.api.schemas import LogRequest
from monoq.job import Status, job_json, timestamp
from monoq.live.change import Changes
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.store.database import Row
from monoq.store.jobs import JobStore
from monoq.store.listing import JobLists
from monoq.store.reports import ReportStore
from monoq.submitting.pusher import Pusher, Stored


def jobs_blueprint(
    *,
    store: JobStore,
    lists: JobLists,
    reports: ReportStore,
    publisher: Publisher,
    pusher: Pusher,
    metrics: Metrics,
) -> Blueprint:
    """The routes, over what they need."""
    jobs = Blueprint("jobs", __name__)

    @jobs.get("/jobs")
    async def list_jobs() -> Response:
        query = read_list(request.args)
        page, more = await lists.list_jobs(query.filter(), query.cursor, query.limit)
        return _json(
            {
                "jobs": [job_json(row) for row in page],
                "nextCursor": None if more is None else str(more),
            }
        )

    async def in_front() -> Response:
        raise AssertionError("the intake answers it")

    # so that OPTIONS and 405 include them
    jobs.add_url_rule("/jobs", "create", in_front, methods=["POST"])
    jobs.add_url_rule("/jobs/batch", "create many", in_front, methods=["POST"])

    @jobs.get("/jobs/<job_id>")
    async def get_job(job_id: str) -> Response:
        return _json(job_json(await _existing(job_id)))

    @jobs.get("/jobs/<job_id>/log")
    async def read_log(job_id: str) -> Response:
        try:
            query = LogRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is invalid", field_errors(error)) from None
        rows = await reports.read_log(_job_id(job_id), query.after, query.limit)
        if not rows:
            await _existing(job_id)
        return _json({"lines": _lines(rows), "next": rows[-1]["id"] if rows else query.after})

    @jobs.post("/jobs/<job_id>/cancel")
    async def cancel_job(job_id: str) -> Response:
        row = await store.cancel_job(_job_id(job_id))
        if row is None:
            raise _wrong_state(
                await _existing(job_id), "only a PENDING or RUNNING job can be cancelled"
            )
        metrics.one(metrics.cancelled, row["type"])
        _publish(row)
        return _json(job_json(row))

    @jobs.post("/jobs/<job_id>/retry")
    async def retry_job(job_id: str) -> Response:
        row = await store.retry_job(_job_id(job_id))
        if row is None:
            raise _wrong_state(
                await _existing(job_id), "only a FAILED or CANCELLED job can be retried"
            )
        metrics.one(metrics.revived, row["type"])
        _publish(row)
        pusher.push([Stored(row["id"], row["tenant_id"], row["type"], row["priority"])])
        return _json(job_json(row))

    async def _existing(job_id: str) -> Row:
        row = await store.get_job(_job_id(job_id))
        if row is None:
            raise Problem(404, f"there is no job {job_id[:100]}")
        return row

    def _publish(row: Row) -> None:
        publisher.publish(*Changes.of_rows([row]))

    return jobs


def _lines(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "offset": row["id"],
            "attempt": row["attempt"],
            "at": timestamp(row["at"]),
            "text": row["text"],
            "fields": None if row["fields"] is None else codec.read(row["fields"]),
        }
        for row in rows
    ]


def _wrong_state(row: Row, rule: str) -> Problem:
    return Problem(409, f"the job is {Status(row['status'])}: {rule}")


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem(404, f"there is no job {text[:100]}") from None


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, content_type="application/json")
