"""The query of GET /jobs: its filters, and those that are refused because only a scan over all jobs
would find it."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from monoq.api.problems import FieldErrors, Problem, field_errors
from monoq.api.schemas import MAX_TAGS, TenantId, TypeName, _Request
from monoq.job import TAG_PATTERN, Status, first_id_at
from monoq.store.listing import JobFilter

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

TAG = TAG_PATTERN.removesuffix("$") + r":[^\x00-\x1f\x7f]{1,256}$"


class ListRequest(_Request):
    """The query of GET /jobs. `tag`: name:value, as often as there are tags."""

    tenant_id: TenantId
    status: Status | None = None
    type: TypeName | None = None
    created_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
    error: Annotated[str, StringConstraints(pattern=r"^[^\x00]{1,200}$")] | None = None
    idempotency_key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")] | None = (
        None
    )
    tag: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=TAG)], ...], Field(max_length=MAX_TAGS)
    ] = ()
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: UUID | None = None

    def filter(self) -> JobFilter:
        """Which jobs these are."""
        tags = [tag.partition(":") for tag in self.tag]
        return JobFilter(
            self.tenant_id,
            self.status,
            self.type,
            first_id_at(self.created_after) if self.created_after else None,
            first_id_at(self.created_before) if self.created_before else None,
            self.error,
            self.idempotency_key,
            [(name, value) for name, _, value in tags],
        )


def read_list(args: "MultiDict[str, str]") -> ListRequest:
    """The query; raises Problem 422, which names the filter and why it is refused."""
    tags = args.getlist("tag")
    try:
        request = ListRequest.model_validate(args.to_dict() | ({"tag": tags} if tags else {}))
    except ValidationError as error:
        raise Problem(422, "the query is invalid", field_errors(error)) from None
    if errors := _refusals(request):
        raise Problem(422, "; ".join(str(error["message"]) for error in errors), errors)
    return request


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
    after, before = request.created_after, request.created_before
    if after and before and after >= before:
        errors.append({"field": "createdAfter", "message": "it must be before createdBefore"})
    return errors
