"""What a job is: its statuses, a job to be submitted, and a job as people read it. Pure values; it
must never do IO."""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any
from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto

from monoq import codec

TENANT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$"
TAG_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
RERUN_OF = "rerunOf"  # the tag of a re-run: the id of its original
TYPE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$"
CALLBACK_PATTERN = r"https?://[!-~]*"
MAX_CALLBACK = 2048  # characters

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OWN_BYTES = 600  # of a job, without its payload


def new_id() -> UUID:
    """A UUID of version 7, in the driver's own subclass of `uuid.UUID`: made and written as text in
    a sixth of the time."""
    made: UUID = pgproto.UUID(uuid_utils.uuid7().bytes)
    return made


def first_id_at(moment: datetime) -> UUID:
    """The lowest UUID of version 7 that can have been made at this time, or later."""
    milliseconds = max(0, -((EPOCH - moment) // timedelta(milliseconds=1)))
    return UUID(int=min(milliseconds, 2**48 - 1) << 80)


class Status(StrEnum):
    """PENDING → RUNNING → COMPLETED, FAILED or PENDING again (a retry). CANCELLED by a person, or
    by the handler."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    # An enumeration's own is Python, and statuses are keys for each job.
    __hash__ = str.__hash__


@dataclass(frozen=True)
class NewJob:
    """A job to submit.

    Args:
        tenant_id: The tenant of the job.
        type: The name of its handler.
        payload: Any value that has a JSON form, or a pydantic model or dataclass.
        priority: -100 to 100; lower runs first, within its tenant.
        run_at: When it may run, with a time zone; not together with `delay_ms`.
        delay_ms: Milliseconds before it may run.
        max_attempts: Maximum number of runs, including the first; None: what the handler says.
        timeout_ms: Milliseconds that each run may take; None: what the handler says.
        idempotency_key: Submitted again with the same key, the first job is returned.
        callback_url: Gets a signed webhook when the job has ended, however it ends.
        key: Of a tenant's jobs with the same key one runs at a time, in the order of their submits.
            1 to 256 characters.
        replace: If a job of this key and type waits, it is replaced: it keeps its id and gets this
            payload, time and policy. With a delay this is a debounce.
        tags: Up to eight names and values, by which people find the job: {"order": "17"}.
        id: A UUID of version 7; a new one by default.
        default_attempts: Stored in place of `max_attempts`, and no part of `request_hash`: what the
            request did not say itself.
        also_hashed: What the request said besides this job, and is part of `request_hash`.

        written_payload: The payload as the codec has written it already.

    Raises InvalidJson for a payload that cannot be stored.

    >>> await monoq.submit(connection, NewJob("acme", "send_email", {"to": "a@example.com"}))
    """

    tenant_id: str
    type: str
    payload: Any = field(default_factory=dict)
    priority: int = 0
    run_at: datetime | None = None
    delay_ms: int = 0
    max_attempts: int | None = None
    timeout_ms: int | None = None
    idempotency_key: str | None = None
    callback_url: str | None = None
    key: str | None = None
    replace: bool = False
    tags: Mapping[str, str] | None = None
    id: UUID = field(default_factory=new_id)
    default_attempts: InitVar[int | None] = None
    also_hashed: InitVar[str | None] = None
    written_payload: InitVar[str | None] = None
    payload_json: str = field(init=False, repr=False)
    # distinguishes a repeat from another request with the same key
    request_hash: bytes | None = field(init=False, repr=False, default=None)

    def __post_init__(
        self, default_attempts: int | None, also_hashed: str | None, written_payload: str | None
    ) -> None:
        if self.replace and (self.key is None or self.idempotency_key is not None):
            raise ValueError("replace needs a key and cannot be combined with an idempotency key")
        if written_payload is None:
            object.__setattr__(self, "payload", codec.payload(self.payload))
            written_payload = codec.dumps(self.payload)
        object.__setattr__(self, "payload_json", written_payload)
        if self.idempotency_key is not None:
            object.__setattr__(self, "request_hash", self._hash_request(also_hashed))
        if self.max_attempts is None:
            object.__setattr__(self, "max_attempts", default_attempts)

    @property
    def size(self) -> int:
        """About how many bytes it takes, here and on its way."""
        return len(self.payload_json) + OWN_BYTES

    def forget_payload(self) -> None:
        """Lets go of the payload as an object, which can be ten times as large; `payload_json`
        stays."""
        object.__setattr__(self, "payload", None)

    @property
    def is_due(self) -> bool:
        """Whether it may run at once. A `run_at` is left to Postgres, whose clock is the only one
        that counts."""
        return self.delay_ms == 0 and self.run_at is None

    def _hash_request(self, besides: str | None) -> bytes:
        request = (
            self.type,
            self.payload,
            self.priority,
            self.run_at,
            self.delay_ms,
            self.max_attempts,
            self.timeout_ms,
            self.callback_url,
            self.key,
            self.tags or None,
            besides,
        )
        return blake2b(codec.canonical(request), digest_size=16).digest()


def job_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of list_jobs.sql (no payload) or get_job.sql as the JSON of the HTTP contract."""
    job = {
        "id": str(row["id"]),
        "tenantId": row["tenant_id"],
        "type": row["type"],
        "status": row["status"],
        "attempts": row["attempts"],
        "crashes": row["crashes"],
        "maxAttempts": row["max_attempts"],
        "priority": row["priority"],
        "error": row["error"],
        "version": row["version"],
        "workerId": row["worker_id"],
        "runAt": timestamp(row["run_at"]),
        "createdAt": timestamp(row["created_at"]),
        "updatedAt": timestamp(row["updated_at"]),
        "startedAt": timestamp(row["started_at"]),
        "finishedAt": timestamp(row["finished_at"]),
    }
    tags = _parsed(row["tags"]) or {} if "tags" in row else {}
    if "tags" in row:
        job["tags"] = tags
    if "payload" in row:
        job |= {
            "payload": _parsed(row["payload"]),
            "result": _parsed(row["result"]),
            "errors": _parsed(row["errors"]),
            "progress": _progress(row),
            "callbackUrl": row["callback_url"],
            "key": row["key"],
            "rerunOf": tags.get(RERUN_OF),
            "reruns": [str(job_id) for job_id in row["reruns"]],
        }
    return job


def _progress(row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row.get("progress_at") is None:
        return None
    return {
        "fraction": row["progress_fraction"],
        "text": row["progress_text"],
        "at": timestamp(row["progress_at"]),
    }


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, microseconds, `Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def _parsed(text: str | None) -> Any:
    return None if text is None else codec.read(text)
