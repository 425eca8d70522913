"""monoq: a real-time multi-tenant job queue. What is imported from here is the interface for users'
code."""

from typing import TYPE_CHECKING, Any

from monoq.app.backoff import Backoff
from monoq.app.outcome import Cancel, Fail, Retry, Snooze
from monoq.app.registry import App, JobContext
from monoq.job import NewJob, Status
from monoq.submit import submit

if TYPE_CHECKING:
    from monoq.client.client import Client

__all__ = [
    "App",
    "Backoff",
    "Cancel",
    "Client",
    "Fail",
    "JobContext",
    "NewJob",
    "Retry",
    "Snooze",
    "Status",
    "submit",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The client brings an HTTP client along, which handlers need not wait for."""
    if name == "Client":
        from monoq.client.client import Client

        return Client
    raise AttributeError(f"module 'monoq' has no attribute {name!r}")
