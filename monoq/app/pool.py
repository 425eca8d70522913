"""Where a job runs: each kind of capacity of a worker. Pure values."""

from enum import StrEnum


class Pool(StrEnum):
    """The event loop (async handlers), threads (plain functions), or child processes (isolated
    handlers, and suspects of any type)."""

    LOOP = "loop"
    THREADS = "threads"
    CHILDREN = "children"
