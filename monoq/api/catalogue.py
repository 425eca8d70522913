"""Every HTTP call with its query, its body and its answers. A test compares it with the routes."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from monoq.api import history, listing, operations, policies, policy_schemas, schemas
from monoq.client import shapes
from monoq.job import TENANT_PATTERN, TYPE_PATTERN

ID = {"type": "string", "format": "uuid"}
TENANT = {"type": "string", "pattern": TENANT_PATTERN}
TYPE = {"type": "string", "pattern": TYPE_PATTERN}

Parameters = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """One call. `answers`: the shape of the answer, by status; None: no JSON. `errors`: the
    statuses with a problem that it has beside those of every call."""

    method: str
    path: str
    summary: str
    answers: dict[int, Any]
    errors: tuple[int, ...] = ()
    query: type[BaseModel] | None = None
    body: Any = None
    headers: Parameters = field(default_factory=dict)


def _key(pattern: str) -> Parameters:
    told = "A repeat with the same key and request brings back what it created."
    return {"Idempotency-Key": {"type": "string", "pattern": f"^{pattern}$", "description": told}}


WRITES = (403, 415)  # of a page of another site; with a body that is no JSON

JOBS = [
    Call(
        "post",
        "/jobs",
        "Create a job",
        {201: shapes.Created, 200: shapes.Created},
        (400, 408, 409, 413, 422, 429, *WRITES),
        body=schemas.JobRequest,
        headers=_key(schemas.KEY.pattern),
    ),
    Call(
        "post",
        "/jobs/batch",
        "Create up to 10,000 jobs, all or none",
        {201: shapes.CreatedMany, 200: shapes.CreatedMany},
        (400, 408, 409, 413, 422, 429, *WRITES),
        body=schemas.BatchRequest,
        headers=_key(schemas.BATCH_KEY.pattern),
    ),
    Call(
        "get",
        "/jobs",
        "List a tenant's jobs, newest first",
        {200: shapes.JobPage},
        (422,),
        query=listing.ListRequest,
    ),
    Call(
        "get",
        "/jobs/{jobId}",
        "Get a job with its payload, result and errors",
        {200: shapes.Job},
        (404,),
    ),
    Call(
        "get",
        "/jobs/{jobId}/log",
        "Read the log of a job",
        {200: shapes.LogPage},
        (404, 422),
        query=schemas.LogRequest,
    ),
    Call(
        "get",
        "/jobs/{jobId}/explain",
        "Explain why a job waits",
        {200: shapes.Explanation},
        (404,),
    ),
    Call(
        "post",
        "/jobs/{jobId}/cancel",
        "Cancel a waiting or running job",
        {200: shapes.Job},
        (404, 409, *WRITES),
    ),
    Call(
        "post",
        "/jobs/{jobId}/retry",
        "Put a failed or cancelled job back",
        {200: shapes.Job},
        (404, 409, *WRITES),
    ),
]
MANY = [
    *[
        Call(
            "post",
            f"/jobs/{kind}",
            f"{kind.capitalize()} many jobs by a filter, or count them",
            {202: shapes.Operation, 200: shapes.Counted},
            (400, 413, 422, *WRITES),
            body=operations.OperationRequest,
        )
        for kind in ("cancel", "retry")
    ],
    Call(
        "get",
        "/operations",
        "List operations, newest first",
        {200: shapes.OperationPage},
        (422,),
        query=operations.OperationsRequest,
    ),
    Call(
        "get",
        "/operations/{operationId}",
        "Get an operation",
        {200: shapes.Operation},
        (404,),
    ),
    *[
        Call(method, path, "Abort an operation", {200: shapes.Operation}, (404, 409, *WRITES))
        for method, path in (
            ("post", "/operations/{operationId}/abort"),
            ("delete", "/operations/{operationId}"),
        )
    ],
]
SYSTEM = [
    Call(
        "get",
        "/tenants",
        "List tenants with their counts",
        {200: shapes.TenantPage},
        (422,),
        query=schemas.TenantsRequest,
    ),
    Call(
        "get",
        "/stats",
        "Count the jobs of a tenant, or of all, by status",
        {200: shapes.Stats},
        (422,),
        query=schemas.StatsRequest,
    ),
    Call(
        "get",
        "/stats/history",
        "Show what happened, per minute or hour",
        {200: shapes.History},
        (422,),
        query=history.HistoryRequest,
    ),
    Call(
        "get",
        "/scaling",
        "Calculate how many slots are needed",
        {200: shapes.Scaling},
        (422,),
        query=schemas.ScalingRequest,
    ),
    Call("get", "/types", "List job types", {200: shapes.TypeList}),
    Call("get", "/stats/types", "Count the jobs of each type", {200: shapes.TypeNumbersList}),
    Call("get", "/workers", "List live workers", {200: shapes.WorkerList}),
    *[
        Call("post", f"/workers/{{workerId}}/{name}", summary, {200: shapes.Worker}, (404, *WRITES))
        for name, summary in (
            ("drain", "Stop a worker from claiming jobs"),
            ("resume", "Let a worker claim jobs again"),
        )
    ],
    Call("get", "/breakers", "List dead endpoints of webhooks", {200: shapes.BreakerList}),
    Call(
        "get",
        "/health",
        "Check whether jobs can be accepted",
        {200: shapes.Health, 503: shapes.Unhealthy},
    ),
    Call("get", "/metrics", "Metrics for Prometheus", {200: None}),
    Call("get", "/openapi.json", "This document", {200: dict[str, Any]}),
]


def _policy_calls(path: str, whose: str, body: type[BaseModel]) -> list[Call]:
    shown = {200: shapes.PolicyShown}
    return [
        Call("get", path, f"Get the policy of {whose}", shown, (422,)),
        Call(
            "put",
            path,
            f"Set the policy of {whose}",
            shown,
            (400, 413, 422, *WRITES),
            body=body,
        ),
        Call("delete", path, f"Remove the policy of {whose}", shown, (422, *WRITES)),
        Call(
            "get",
            f"{path}/history",
            f"List the changes of the policy of {whose}",
            {200: shapes.PolicyHistory},
            (422,),
            query=policies.ChangesRequest,
        ),
    ]


CALLS = [
    *JOBS,
    *MANY,
    *SYSTEM,
    *_policy_calls("/tenants/{tenantId}", "a tenant", policy_schemas.TenantPolicyRequest),
    *_policy_calls("/types/{type}", "a job type", policy_schemas.TypePolicyRequest),
    *_policy_calls("/defaults", "each tenant without its own", policy_schemas.TenantPolicyRequest),
]
PATH_PARAMETERS: Parameters = {
    "jobId": ID,
    "operationId": ID,
    "tenantId": TENANT,
    "type": TYPE,
    "workerId": {"type": "integer", "minimum": 1},
}
EVERYWHERE = (421, 500, 503)
