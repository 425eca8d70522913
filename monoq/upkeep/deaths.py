"""Proves that a worker on this host is dead. It must never guess: a worker that is only cut off
from PostgreSQL keeps its jobs until its lease ends."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

GONE = ("Z", "X", "x")  # a process that has ended, but was not reaped by its parent


def host_key() -> str | None:
    """The same for all processes that can see one another's pids, and different after a reboot:
    the boot and the pid namespace. None where this cannot be told (it can on Linux)."""
    if sys.platform != "linux":
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return None


def started_at(pid: int) -> int | None:
    """When a process started, in clock ticks since the boot; None: there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in GONE else int(fields[19])


def dead(workers: Iterable[Mapping[str, Any]]) -> list[int]:
    """The ids of those workers of this host (rows of list_workers_of_host.sql) whose process is
    gone: a pid is used again, with another start time. Raises OSError if /proc cannot be read,
    which proves nothing."""
    return [one["id"] for one in workers if started_at(one["pid"]) != one["pid_started"]]
