"""The process that forks a child for each job which must run alone. The user's handlers are loaded once, here; a child costs a fork.
It must run no job itself, start no thread, touch neither Postgres nor Redis, and die with its worker."""

import asyncio
import ctypes
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson

from monoq.handlers import builtin
from monoq.log import configure, current_run
from monoq.registry import App, load_app
from monoq.worker.call import end_of
from monoq.worker.run import Ending, Run

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """`python -m monoq.fork_server APP MEMORY_MB LOG_LEVEL LOG CONTROL STATUS`; APP may be empty, MEMORY_MB 0 (no limit); the last two are
    descriptors.

    Each byte on CONTROL brings the socket of a job: its child writes its pid, reads the job, writes how it ended, one line
    each. STATUS is told `pid code` for each child that is gone (negative: the signal).
    """
    app_path, memory_mb, log_level, log_form, control_fd, status_fd = sys.argv[1:]
    _die_with_parent()
    configure(log_level, "json" if log_form == "json" else "console")
    app = App()
    app.include(builtin)
    if app_path:
        app.include(load_app(app_path))
    control = socket.socket(fileno=int(control_fd))
    child_is_gone, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    while True:
        ready, _, _ = select.select([control, child_is_gone], [], [])
        if child_is_gone in ready:
            child_is_gone.recv(4096)
            _tell_of_the_gone(int(status_fd))
        if control in ready:
            byte, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not byte:
                return
            if os.fork() == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (control.fileno(), int(status_fd), child_is_gone.fileno(), wake.fileno()):
                    os.close(descriptor)
                _run_job(app, descriptors[0], int(memory_mb))
            os.close(descriptors[0])


def _tell_of_the_gone(status_fd: int) -> None:
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            os.write(status_fd, b"%d %d\n" % (pid, os.waitstatus_to_exitcode(status)))
    except ChildProcessError:
        return  # all are told of
    except BrokenPipeError:
        sys.exit()  # the worker is gone, and nobody is left to tell


def _run_job(app: App, descriptor: int, memory_mb: int) -> None:
    """In the child, for good: nothing of this process is to run after it."""
    try:
        os.setsid()  # its own group: it is killed with whatever it started
        _die_with_parent()
        if memory_mb:
            resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
        with socket.socket(fileno=descriptor) as worker, worker.makefile("rwb") as wire:
            wire.write(b"%d\n" % os.getpid())
            wire.flush()
            wire.write(orjson.dumps(_end_of(app, orjson.loads(wire.readline()))._asdict()) + b"\n")
            wire.flush()
    finally:
        os._exit(1 if sys.exc_info()[0] else 0)


def _end_of(app: App, request: dict[str, Any]) -> Ending:
    request["id"] = UUID(request["id"])
    handler = app.handlers[request["type"]]
    run = Run(**request, version=0, lost=0, deaths=0, handler=handler)
    run.begin(time.monotonic())
    current_run.set(run)
    endings: list[Ending] = []

    async def call() -> None:
        endings.append(await end_of(run, asyncio.to_thread))

    with suppress(asyncio.CancelledError):  # the handler's own, which came too late to hit anything
        asyncio.run(call())
    return endings[0]


def _die_with_parent() -> None:
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os._exit(1)


if __name__ == "__main__":
    main()
