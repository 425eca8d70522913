"""monoq: a real-time multi-tenant job queue. What is imported from here is the interface for users'
code: `App` and what handlers return, the clients, `submit`, and the errors they raise."""

from importlib import import_module
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
    from monoq.client.requests import JobId
    from monoq.client.sync import SyncClient

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
    "JobId",
    "MonoqError",
    "NewJob",
    "RequestRefused",
    "Retry",
    "Schedule",
    "ServerUnreachable",
    "Snooze",
    "Status",
    "Submitted",
    "SyncClient",
    "submit",
]
__version__ = "0.1.0"


_LAZY = {
    "Client": "monoq.client.client",
    "JobId": "monoq.client.requests",
    "SyncClient": "monoq.client.sync",
}


def __getattr__(name: str) -> Any:
    """Imports a client at first use: it brings an HTTP client along, which workers do without."""
    if module := _LAZY.get(name):
        return getattr(import_module(module), name)
    raise AttributeError(f"module 'monoq' has no attribute {name!r}")
