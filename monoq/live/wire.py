"""The messages on the channel `job_updates` and the frames to viewers. Pure; it must never carry a
payload or a result."""

from collections.abc import Container, Iterable, Mapping, Sequence
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

    def update(self) -> dict[str, Any]:
        """What a viewer is told."""
        return {
            "jobId": self.job_id,
            "tenantId": self.tenant_id,
            "type": self.type,
            "status": self.status,
            "attempts": self.attempts,
            "version": self.version,
            "error": self.error,
            "workerId": self.worker_id,
            "updatedAt": timestamp(self.updated_at),
        }

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
            worker_id=row.get("worker_id"),
            updated_at=row["updated_at"],
        )


class Update(NamedTuple):
    """A change as viewers are told of it, encoded once for all of them; with the transaction that
    made it."""

    xid: int
    job_id: str
    version: int
    text: str

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Update":
        """From a row that has its `changed_xid`."""
        change = Change.of_row(row)
        return cls(
            row["changed_xid"],
            change.job_id,
            change.version,
            orjson.dumps(change.update()).decode(),
        )


# job id, version, type, attempts, error: a job in a message
Told = tuple[str, int, str, int, str | None]


def encode_messages(changes: Iterable[Change]) -> list[bytes]:
    """Messages for `job_updates`, one per tenant and status, in the order of the changes."""
    grouped: dict[tuple[str, str, int | None], list[Change]] = {}
    for change in changes:
        grouped.setdefault((change.tenant_id, change.status, change.worker_id), []).append(change)
    return [
        encode_message(
            tenant_id,
            status,
            [
                (change.job_id, change.version, change.type, change.attempts, change.error)
                for change in group
            ],
            worker_id,
            timestamp(group[0].updated_at or datetime.now(UTC)),
        )
        for (tenant_id, status, worker_id), group in grouped.items()
    ]


def encode_message(
    tenant_id: str, status: str, jobs: Sequence[Told], worker_id: int | None, at: str | None
) -> bytes:
    """`{"tenantId", "status", "updatedAt", "workerId", "jobs": [[jobId, version, type, attempts,
    error], …]}`."""
    return orjson.dumps(
        {
            "tenantId": tenant_id,
            "status": status,
            "updatedAt": at,
            "workerId": worker_id,
            "jobs": jobs,
        }
    )


def decode_message(message: bytes, watched: Container[str]) -> list[Change]:
    """The changes of a message, if its tenant is watched; InvalidJson for junk on the channel.

    Versions of monoq run side by side while one replaces the other: what a newer one adds is passed
    over, what an older one does not say has a default.
    """
    try:
        told = orjson.loads(message)
        tenant_id, status, worker_id = (
            str(told["tenantId"]),
            Status(told["status"]),
            told.get("workerId"),
        )
        if tenant_id not in watched:
            return []
        updated_at = (
            datetime.fromisoformat(told["updatedAt"]) if "updatedAt" in told else datetime.now(UTC)
        )
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
            for job_id, version, job_type, attempts, error, *_ in told["jobs"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidJson(f"no message of ours: {error}") from error


def updates_frame(tenant_id: str, updates: Iterable[str], cursor: str | None = None) -> str:
    """A packed frame from updates that are encoded already; with the cursor that holds once they
    are read."""
    end = "]}" if cursor is None else '],"cursor":"' + cursor + '"}'
    return '{"type":"UPDATES","tenantId":"' + tenant_id + '","updates":[' + ",".join(updates) + end
