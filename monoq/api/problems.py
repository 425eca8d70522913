"""Errors as `application/problem+json` (RFC 9457), each naming what is wrong. An internal error
must never be sent as HTML or as a 500 without a body."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import ValidationError
from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from monoq.errors import (
    DatabaseUnavailable,
    IdempotencyConflict,
    InvalidJob,
    InvalidJson,
    TenantFull,
    TooBroad,
)

log = logging.getLogger(__name__)

MAX_ERRORS = 100  # of a batch with more, the rest is like them

FieldErrors = list[dict[str, Any]]


class Problem(Exception):  # noqa: N818 - a response
    """Ends a request with this status; `errors` names fields."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: FieldErrors | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def json(self) -> bytes:
        """The body."""
        return problem_json(self.status, self.detail, self.errors)

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The further headers, as ASGI has them."""
        return [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in self.headers.items()
        ]


def problem_json(status: int, detail: str, errors: FieldErrors | None = None) -> bytes:
    """The body of a problem."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors is not None:
        problem["errors"] = errors[:MAX_ERRORS]
    return orjson.dumps(problem)


def field_errors(error: ValidationError, prefix: Sequence[str | int] = ()) -> FieldErrors:
    """What pydantic found, as `{"field": "jobs.3.payload.to", "message": …}`."""
    return [
        {
            "field": ".".join(map(str, (*prefix, *problem["loc"]))),
            "message": problem["msg"].removeprefix("Value error, "),
        }
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def problem_of(error: Exception) -> Problem:
    """The response to an error."""
    match error:
        case Problem():
            return error
        case InvalidJson():
            return Problem(400, f"the body is not JSON that can be stored: {error}")
        case InvalidJob():
            return Problem(422, str(error)[:1000], error.errors)
        case IdempotencyConflict():
            return Problem(409, str(error), [{"field": "idempotencyKey", "message": str(error)}])
        case TooBroad():
            return Problem(422, str(error), [{"field": error.field, "message": str(error)}])
        case TenantFull():
            return Problem(
                429,
                str(error),
                [{"field": "tenantId", "message": str(error)}],
                {"Retry-After": str(error.retry_after_s)},
            )
        case DatabaseUnavailable():
            return Problem(503, str(error), headers={"Retry-After": "1"})
        case HTTPException():
            if allow := getattr(error, "valid_methods", None):
                allowed = ", ".join(sorted(allow))
                detail = f"this path takes {allowed}"
                return Problem(error.code or 405, detail, headers={"Allow": allowed})
            return Problem(error.code or 500, error.description or "")
    log.error("a request failed", exc_info=error)
    return Problem(500, "internal error; it was logged")


def install(app: Quart) -> None:
    """Answers every error of a route with its problem."""

    @app.errorhandler(Exception)
    async def answer(error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status == 405 and request.method == "DELETE" and request.path[:6] == "/jobs/":
            problem.detail = f"a job stays; POST {request.path[:100]}/cancel cancels it"
        return Response(
            problem.json(),
            problem.status,
            headers=problem.headers,
            content_type="application/problem+json",
        )
