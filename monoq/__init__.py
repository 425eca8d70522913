"""monoq: a real-time multi-tenant job queue. What is imported from here is the interface for users'
code: `App` and what handlers return, `Client`, `submit`, and the errors they raise."""

from typing import TYPE_CHECKING, Any

from monoq.app.backoff import Backoff, Schedule
from monoq.app.batch import BatchJob
from monoq.app.context import JobContext
from monoq.app.outcome import Cancel, Fail, Retry, Snooze
from monoq.app.registry import App
from monoq.errors import (
    ClaimLost,
    ConfigError,
    CursorRefused,
    DatabaseUnavailable,
    IdempotencyConflict,
    InvalidJson,
    MonoqError,
    RequestRefused,
    ServerUnreachable,
)
from monoq.job import NewJob, Status
from monoq.submitting.insert import Submitted, submit

if TYPE_CHECKING:
    from monoq.client.client import Client

__all__ = [
    "App",
    "Backoff",
    "BatchJob",
    "Cancel",
    "ClaimLost",
    "Client",
    "ConfigError",
    "CursorRefused",
    "DatabaseUnavailable",
    "Fail",
    "IdempotencyConflict",
    "InvalidJson",
    "JobContext",
    "MonoqError",
    "NewJob",
    "RequestRefused",
    "Retry",
    "Schedule",
    "ServerUnreachable",
    "Snooze",
    "Status",
    "Submitted",
    "submit",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports Client at first use: it brings an HTTP client along, which workers do without."""
    if name == "Client":
        from monoq.client.client import Client

        return Client
    raise AttributeError(f"module 'monoq' has no attribute {name!r}")
