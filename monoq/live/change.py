"""A job changed: `Changes` on the way out, from a statement to the channel, and `Change` on the way
in, from the channel or the table to the sockets. Pure; it must never carry a payload or a result.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from monoq.job import Status, timestamp

# job id, version, type, attempts, error: a job in a message
ChangedJob = tuple[str, int, str, int, str | None]


class Changes:
    """What one statement changed: jobs of any tenants, all in one status since one moment.

    `at` is in seconds since 1970, usually by Postgres' clock; `worker_id`: the worker that runs
    them.

    >>> changes = Changes(Status.RUNNING, at=claimed[0].at, worker_id=7)
    >>> changes.add("acme", job_id, version=2, job_type="echo", attempts=1)
    >>> publisher.publish(changes)
    """

    __slots__ = ("by_tenant", "status", "updated_at", "worker_id")

    def __init__(self, status: Status, *, at: float, worker_id: int | None = None) -> None:
        self.status = status
        self.updated_at = timestamp(datetime.fromtimestamp(at, UTC))
        self.worker_id = worker_id
        self.by_tenant: defaultdict[str, list[ChangedJob]] = defaultdict(list)

    def add(
        self,
        tenant_id: str,
        job_id: UUID,
        version: int,
        job_type: str,
        attempts: int,
        error: str | None = None,
    ) -> None:
        """One job of these; called for each job three times in its life, so it does little."""
        self.by_tenant[tenant_id].append((str(job_id), version, job_type, attempts, error))

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> "list[Changes]":
        """Those of rows that one statement returned, as they are now; one for each status."""
        by_status: dict[str, Changes] = {}
        for row in rows:
            changes = by_status.get(row["status"])
            if changes is None:
                at = row["updated_at"].timestamp()
                changes = by_status[row["status"]] = cls(Status(row["status"]), at=at)
            changes.add(
                row["tenant_id"],
                row["id"],
                row["version"],
                row["type"],
                row["attempts"],
                row["error"],
            )
        return list(by_status.values())


@dataclass(slots=True, eq=False)
class Change:
    """One visible change of one job, as viewers see it. `updated_at` is RFC 3339; `xid`: the
    transaction that made it, 0 if that is not known."""

    tenant_id: str
    job_id: str
    status: str
    version: int
    type: str
    attempts: int
    error: str | None
    worker_id: int | None
    updated_at: str | None
    xid: int = 0
    _text: str = field(default="", init=False, repr=False)

    @property
    def text(self) -> str:
        """The JSON of the WebSocket contract, encoded once for all sockets."""
        if not self._text:
            self._text = orjson.dumps(
                {
                    "jobId": self.job_id,
                    "tenantId": self.tenant_id,
                    "type": self.type,
                    "status": self.status,
                    "attempts": self.attempts,
                    "version": self.version,
                    "error": self.error,
                    "workerId": self.worker_id,
                    "updatedAt": self.updated_at,
                }
            ).decode()
        return self._text

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
            worker_id=row["worker_id"],
            updated_at=timestamp(row["updated_at"]),
            xid=row.get("changed_xid") or 0,
        )
