"""Where a job runs: each kind of capacity of a worker. Pure values."""

from enum import StrEnum


class Pool(StrEnum):
    """The event loop (async handlers), threads (plain functions), or child processes (isolated
    handlers, and suspects of any type)."""

    LOOP = "loop"
    THREADS = "threads"
    CHILDREN = "children"

    # An enumeration's own is Python, and pools are keys for each job.
    __hash__ = str.__hash__
