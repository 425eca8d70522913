"""The messages on the channel `job_updates` and the frames to viewers. Pure; it must never carry a payload or a result."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from monoq.errors import InvalidJson
from monoq.job import Status, timestamp


class Change(NamedTuple):
    """One visible change of one job."""

    tenant_id: str
    job_id: str
    status: Status | str
    version: int
    type: str
    attempts: int
    error: str | None = None
    worker_id: int | None = None
    updated_at: datetime | None = None  # None: now

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Change":
        """The change that led to a row as it is now."""
        return cls(
            tenant_id=row["tenant_id"],
            job_id=str(row["id"]),
            status=row["status"],
            version=row["version"],
            type=row["type"],
            attempts=row["attempts"],
            error=row["error"],
            updated_at=row["updated_at"],
        )


def encode_messages(changes: Iterable[Change]) -> list[bytes]:
    """Messages for `job_updates`, one per tenant and status, in the order of the changes.

    `{"tenantId", "status", "updatedAt", "workerId", "jobs": [[jobId, version, type, attempts, error], …]}`
    """
    grouped: dict[tuple[str, str, int | None], list[Change]] = {}
    for change in changes:
        grouped.setdefault((change.tenant_id, change.status, change.worker_id), []).append(change)
    return [
        orjson.dumps(
            {
                "tenantId": tenant_id,
                "status": status,
                "updatedAt": timestamp(group[0].updated_at or datetime.now(UTC)),
                "workerId": worker_id,
                "jobs": [(change.job_id, change.version, change.type, change.attempts, change.error) for change in group],
            }
        )
        for (tenant_id, status, worker_id), group in grouped.items()
    ]


def decode_message(message: bytes) -> tuple[str, list[tuple[str, int, dict[str, Any]]]]:
    """A message as its tenant and one (job id, version, update for viewers) per change; InvalidJson for junk on the channel."""
    try:
        told = orjson.loads(message)
        tenant_id, status, updated_at, worker_id = str(told["tenantId"]), Status(told["status"]), str(told["updatedAt"]), told["workerId"]
        return tenant_id, [
            (
                job_id,
                int(version),
                {
                    "jobId": job_id,
                    "tenantId": tenant_id,
                    "type": job_type,
                    "status": status,
                    "attempts": attempts,
                    "version": version,
                    "error": error,
                    "workerId": worker_id,
                    "updatedAt": updated_at,
                },
            )
            for job_id, version, job_type, attempts, error in told["jobs"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidJson(f"no message of ours: {error}") from error


def updates_frame(tenant_id: str, updates: Iterable[str]) -> str:
    """A packed frame from updates that are encoded already."""
    return '{"type":"UPDATES","tenantId":"' + tenant_id + '","updates":[' + ",".join(updates) + "]}"
