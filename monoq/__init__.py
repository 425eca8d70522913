"""monoq: a real-time multi-tenant job queue. What is imported from here is the interface for users' code."""

from monoq.job import NewJob, Status
from monoq.outcome import Cancel, Fail, Retry, Snooze
from monoq.registry import App, JobContext
from monoq.retry import Backoff
from monoq.submit import submit

__all__ = ["App", "Backoff", "Cancel", "Fail", "JobContext", "NewJob", "Retry", "Snooze", "Status", "submit"]
__version__ = "0.1.0"
