"""The query of GET /jobs: what people may look for, and what is refused because nothing but a walk
over all jobs would find it."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError
from werkzeug.datastructures import MultiDict

from monoq.api.problems import FieldErrors, Problem, field_errors
from monoq.api.schemas import MAX_TAGS, TagName, TagValue, TenantId, TypeName, _Request
from monoq.job import Status, first_id_at
from monoq.store.listing import JobFilter

MAX_ERROR = 200  # characters of an error that are kept in order


class _Tag(_Request):
    name: TagName
    value: TagValue


class ListRequest(_Request):
    """The query of GET /jobs."""

    tenant_id: TenantId
    status: Status | None = None
    type: TypeName | None = None
    created_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
    error: Annotated[str, Field(min_length=1, max_length=MAX_ERROR)] | None = None
    idempotency_key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")] | None = (
        None
    )
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: UUID | None = None
    tags: tuple[tuple[str, str], ...] = ()

    def filter(self) -> JobFilter:
        """Which jobs these are."""
        return JobFilter(
            self.tenant_id,
            self.status,
            self.type,
            first_id_at(self.created_after) if self.created_after else None,
            first_id_at(self.created_before) if self.created_before else None,
            self.error,
            self.idempotency_key,
            self.tags,
        )


def read_list(args: "MultiDict[str, str]") -> ListRequest:
    """The query; raises Problem 422, which names the filter and why it is refused."""
    errors: FieldErrors = []
    tags = [_tag(text, errors) for text in args.getlist("tag")]
    if len(tags) > MAX_TAGS:
        errors.append({"field": "tag", "message": f"a job has {MAX_TAGS} tags at most"})
    words = {name: value for name, value in args.items() if name != "tag"}
    try:
        if "tags" in words:
            errors.append({"field": "tags", "message": "the filter is tag=name:value"})
            del words["tags"]
        request = ListRequest.model_validate(words)
    except ValidationError as error:
        raise Problem(422, "the query is wrong", errors + field_errors(error)) from None
    errors += _refusals(request)
    if errors:
        raise Problem(422, "; ".join(str(error["message"]) for error in errors), errors)
    return request.model_copy(update={"tags": tuple(tag for tag in tags if tag)})


def _tag(text: str, errors: FieldErrors) -> tuple[str, str] | None:
    name, colon, value = text.partition(":")
    if not colon:
        errors.append({"field": "tag", "message": "it must be name:value"})
        return None
    try:
        _Tag(name=name, value=value)
    except ValidationError as error:
        errors.extend(field_errors(error, ("tag",)))
        return None
    return name, value


def _refusals(request: ListRequest) -> FieldErrors:
    errors: FieldErrors = []
    if request.error is not None and request.status not in (
        None,
        Status.FAILED,
        Status.CANCELLED,
    ):
        message = (
            "only FAILED and CANCELLED jobs are kept in the order of their errors;"
            f" among {request.status} ones it would have to be looked for in each"
        )
        errors.append({"field": "error", "message": message})
    if request.error is not None and "\x00" in request.error:
        errors.append({"field": "error", "message": "no error has the character U+0000"})
    after, before = request.created_after, request.created_before
    if after and before and after >= before:
        errors.append({"field": "createdAfter", "message": "it must be before createdBefore"})
    return errors
