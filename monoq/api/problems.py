"""Errors as `application/problem+json` (RFC 9457), each naming what is wrong. An error of ours must never leave as HTML or a bare 500."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import ValidationError
from quart import Quart, Response
from werkzeug.exceptions import HTTPException

from monoq.errors import DatabaseUnavailable, IdempotencyConflict, InvalidJob, InvalidJson

log = logging.getLogger(__name__)

MAX_ERRORS = 100  # of a batch with more, the rest is like them

FieldErrors = list[dict[str, Any]]


class Problem(Exception):  # noqa: N818 - a response
    """Ends a request with this status; `errors` names fields."""

    def __init__(self, status: int, detail: str, errors: FieldErrors | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors


def problem_json(status: int, detail: str, errors: FieldErrors | None = None) -> bytes:
    """The body of a problem."""
    problem: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if errors is not None:
        problem["errors"] = errors[:MAX_ERRORS]
    return orjson.dumps(problem)


def field_errors(error: ValidationError, prefix: Sequence[str | int] = ()) -> FieldErrors:
    """What pydantic found, as `{"field": "jobs.3.payload.to", "message": …}`."""
    return [
        {"field": ".".join(map(str, (*prefix, *problem["loc"]))), "message": problem["msg"].removeprefix("Value error, ")}
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def install(app: Quart) -> None:
    """Turns the errors a handler may raise into problems."""

    @app.errorhandler(Problem)
    async def problem(error: Problem) -> Response:
        return _response(error.status, error.detail, error.errors)

    @app.errorhandler(InvalidJson)
    async def invalid_json(error: InvalidJson) -> Response:
        return _response(400, f"the body is not JSON that can be stored: {error}")

    @app.errorhandler(InvalidJob)
    async def invalid_job(error: InvalidJob) -> Response:
        return _response(422, str(error)[:1000], error.errors)

    @app.errorhandler(IdempotencyConflict)
    async def conflict(error: IdempotencyConflict) -> Response:
        return _response(409, str(error), [{"field": "idempotencyKey", "message": str(error)}])

    @app.errorhandler(DatabaseUnavailable)
    async def unavailable(error: DatabaseUnavailable) -> Response:
        response = _response(503, str(error))
        response.headers["Retry-After"] = "1"
        return response

    @app.errorhandler(HTTPException)
    async def http(error: HTTPException) -> Response:
        response = _response(error.code or 500, error.description or "")
        if allow := getattr(error, "valid_methods", None):
            response.headers["Allow"] = ", ".join(sorted(allow))
        return response

    @app.errorhandler(Exception)
    async def unexpected(error: Exception) -> Response:
        log.error("a request failed", exc_info=error)
        return _response(500, "an error of ours; it was logged")


def _response(status: int, detail: str, errors: FieldErrors | None = None) -> Response:
    return Response(problem_json(status, detail, errors), status, content_type="application/problem+json")
