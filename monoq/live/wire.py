"""The messages on the channel `job_updates` and the frames to viewers. Pure."""

from collections.abc import Container, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from monoq.errors import InvalidJson
from monoq.job import Status, timestamp
from monoq.live.change import Change, Changes


def encode_messages(changes: Changes) -> list[bytes]:
    """Messages for `job_updates`, one per tenant: `{"tenantId", "status", "updatedAt", "workerId",
    "jobs": [[jobId, version, type, attempts, error], …]}`."""
    return [
        orjson.dumps(
            {
                "tenantId": tenant_id,
                "status": changes.status,
                "updatedAt": changes.updated_at,
                "workerId": changes.worker_id,
                "jobs": jobs,
            }
        )
        for tenant_id, jobs in changes.by_tenant.items()
    ]


def read_message(message: bytes) -> Mapping[str, Any]:
    """The fields of a message; InvalidJson for junk on the channel."""
    try:
        fields = orjson.loads(message)
    except ValueError as error:
        raise InvalidJson(f"not a monoq message: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidJson("not a monoq message: not an object")
    return fields


def decode_changes(fields: Mapping[str, Any], watched: Container[str]) -> list[Change]:
    """The changes of a message, if its tenant is watched; InvalidJson for junk.

    Versions of monoq run side by side while one replaces the other: what a newer one adds is passed
    over, what an older one does not say has a default.
    """
    try:
        tenant_id, status = str(fields["tenantId"]), Status(fields["status"])
        worker_id = fields.get("workerId")
        if tenant_id not in watched:
            return []
        moment = (
            datetime.fromisoformat(fields["updatedAt"])
            if "updatedAt" in fields
            else datetime.now(UTC)
        )
        updated_at = timestamp(moment)
        return [
            Change(
                tenant_id,
                str(job_id),
                status,
                int(version),
                str(job_type),
                int(attempts),
                error,
                worker_id,
                updated_at,
            )
            for job_id, version, job_type, attempts, error, *_ in fields["jobs"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidJson(f"not a monoq message: {error}") from error


def updates_frame(tenant_id: str, updates: Iterable[str], cursor: str | None = None) -> str:
    """A packed frame from updates that are encoded already; with the cursor that holds once they
    are read."""
    end = "]}" if cursor is None else '],"cursor":"' + cursor + '"}'
    return '{"type":"UPDATES","tenantId":"' + tenant_id + '","updates":[' + ",".join(updates) + end
