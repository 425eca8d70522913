"""What runs in a child process: takes one job after the other from its worker and answers how each ended. It must touch neither
Postgres nor Redis, and must die with its worker."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import time
from typing import Any
from uuid import UUID

import orjson

from monoq.handlers import builtin
from monoq.registry import App, load_app
from monoq.worker.call import end_of
from monoq.worker.run import Run

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """`python -m monoq.child APP MEMORY_MB FD`; APP may be empty, MEMORY_MB 0."""
    app_path, memory_mb, fd = sys.argv[1:]
    _die_with_parent()
    if int(memory_mb):
        _limit_memory(int(memory_mb))
    app = App()
    app.include(builtin)
    if app_path:
        app.include(load_app(app_path))
    with socket.socket(fileno=int(fd)) as parent, parent.makefile("rwb") as wire:
        for line in wire:
            wire.write(orjson.dumps(asyncio.run(_end_of(app, orjson.loads(line)))) + b"\n")
            wire.flush()


async def _end_of(app: App, request: dict[str, Any]) -> dict[str, Any]:
    handler = app.handlers[request["type"]]
    left_s = request.pop("left_s")
    request |= {"id": UUID(request["id"]), "deadline": time.monotonic() + left_s}
    run = Run(**request, worker_id=0, version=0, lost=0, handler=handler)
    return (await end_of(run, asyncio.to_thread))._asdict()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os._exit(1)


def _limit_memory(megabytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


if __name__ == "__main__":
    main()
