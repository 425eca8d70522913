"""The process that forks a child for each job which must run alone. The user's handlers are loaded
once, here; a child costs a fork. It must run no job itself, start no thread, touch neither Postgres
nor Redis, and die with its worker."""

import asyncio
import ctypes
import io
import logging
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from monoq.app.loading import load_app
from monoq.app.registry import App
from monoq.errors import ConfigError
from monoq.handlers import builtin, preload
from monoq.handlers.options import Options
from monoq.observe.log import configure, current_run
from monoq.worker.call import end_of, failed_attempt
from monoq.worker.child_reports import ChildReports
from monoq.worker.environment import Environment, lifespans
from monoq.worker.forked import KILLING, NUMBER_BYTES, READY
from monoq.worker.run import Ending, Run

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1  # prctl(2)
KILLS = frozenset({"os.kill", "os.killpg", "signal.pthread_kill"})  # audit events
# A service manager sends these to all processes of a service, and Ctrl-C to all of a terminal.
# They are for the worker, which gives its jobs time to end.
NOT_FOR_US = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Limits(NamedTuple):
    """What a child may use and say."""

    memory_mb: int  # 0: as much as it likes
    max_result: int


def main() -> None:
    """`python -m monoq.worker.fork_server APP MEMORY_MB MAX_RESULT LOG_LEVEL LOG CONTROL STATUS`;
    APP may be empty; the last two are descriptors. MONOQ_HANDLER_OPTIONS has the Options as JSON:
    a command line can be read by other users. What a handler starts does not inherit it.

    Each number on CONTROL brings the socket of a job: its child writes its pid, reads the job and
    writes how it ended, one line each. STATUS gets `ready` when the handlers are loaded, then
    `number code` for each child that is gone (negative: the signal).
    """
    app_path, memory_mb, max_result, log_level, log_form, *descriptors = sys.argv[1:]
    control_fd, status_fd = map(int, descriptors)
    _die_with_parent()
    for signum in NOT_FOR_US:
        signal.signal(signum, lambda *_: None)
    configure(log_level, "json" if log_form == "json" else "console")
    _print_whole_lines()
    app = App()
    try:
        if app_path:
            app.include(load_app(app_path))
        options = Options(*orjson.loads(os.environ.pop("MONOQ_HANDLER_OPTIONS", "[]")))
        app.include(builtin(options), missing_only=True)
        preload()
    except ConfigError as error:
        log.error("%s", error)
        sys.exit(1)
    os.write(status_fd, READY)
    limits = Limits(int(memory_mb), int(max_result))
    _fork_children(app, limits, socket.socket(fileno=control_fd), status_fd)


def _print_whole_lines() -> None:
    """Children share one standard output. Unbuffered (PYTHONUNBUFFERED, as in our image), a `print`
    is a write for each of its arguments, and lines of several children mix; fully buffered, a
    handler that dies takes its lines with it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, write_through=False)


def _fork_children(app: App, limits: Limits, control: socket.socket, status_fd: int) -> None:
    worker_pid = os.getppid()
    numbers: dict[int, int] = {}  # by pid
    child_is_gone, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    while True:
        ready, _, _ = select.select([control, child_is_gone], [], [])
        if child_is_gone in ready:
            child_is_gone.recv(4096)
            _tell_of_the_gone(status_fd, numbers)
        if control in ready:
            number, descriptors, _, _ = socket.recv_fds(control, NUMBER_BYTES, 1)
            if not number:
                return
            if not descriptors:  # too many are open here; the worker sees that its socket closes
                log.error("no child: too many open files")
                continue
            try:
                pid = os.fork()
            except OSError as error:
                log.error("no child: %s", error)
            else:
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for one in (control.fileno(), status_fd, child_is_gone.fileno(), wake.fileno()):
                        os.close(one)
                    _run_job(app, limits, descriptors[0], worker_pid)
                numbers[pid] = int.from_bytes(number)
            os.close(descriptors[0])


def _tell_of_the_gone(status_fd: int, numbers: dict[int, int]) -> None:
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if (number := numbers.pop(pid, None)) is not None:
                os.write(status_fd, b"%d %d\n" % (number, os.waitstatus_to_exitcode(status)))
    except ChildProcessError:
        return  # every ended child has been reported
    except BrokenPipeError:
        sys.exit()  # the worker is gone: there is no receiver left


def _run_job(app: App, limits: Limits, descriptor: int, worker_pid: int) -> None:
    """In the child, for good: nothing of the fork server is to run after it."""
    code = 1
    try:
        above = (os.getppid(), worker_pid)
        os.setsid()  # its own group: it is killed with whatever it started
        _die_with_parent()
        _limit_memory(limits.memory_mb)
        worker = socket.socket(fileno=descriptor)
        os.register_at_fork(after_in_child=lambda: _be_nobodys_child(worker))
        worker.sendall(b"%d\n" % os.getpid())
        with worker.makefile("rb") as wire:
            line = wire.readline()
        if not line:  # the worker has thought better of it
            return
        request = orjson.loads(line)
        sys.addaudithook(_word_before_a_kill(worker, *above))
        reports = ChildReports(worker)
        ending = _end_of(app, request, Environment(limits.max_result, reports))
        with suppress(OSError):
            reports.close()
        for stream in (sys.stdout, sys.stderr):  # `_exit` does not
            with suppress(Exception):  # whatever the handler has made of it
                stream.flush()
        worker.sendall(orjson.dumps(ending._asdict()) + b"\n")
        code = 0
    except BaseException:
        log.exception("a child process failed")
    finally:
        os._exit(code)


def _limit_memory(megabytes: int) -> None:
    if megabytes:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        memory = megabytes << 20 if most == resource.RLIM_INFINITY else min(megabytes << 20, most)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _end_of(app: App, request: dict[str, Any], environment: Environment) -> Ending:
    request["id"] = UUID(request["id"])
    handler = app.handlers[request["type"]]
    run = Run(**request, version=0, lost=0, deaths=0, handler=handler)
    run.begin(time.monotonic())
    current_run.set(run)
    endings: list[Ending] = []

    async def call() -> None:
        try:
            async with lifespans(handler) as environment.states:
                endings.append(await end_of(run, asyncio.to_thread, environment))
        except Exception as error:
            log.exception("the lifespan of the handlers failed")
            if not endings:
                endings.append(failed_attempt(run, f"the lifespan of its handler failed: {error}"))

    with suppress(asyncio.CancelledError):  # the handler's own, which came too late to hit anything
        asyncio.run(call())
    return endings[0]


Hook = Callable[[str, tuple[Any, ...]], None]


def _word_before_a_kill(worker: socket.socket, fork_server_pid: int, worker_pid: int) -> Hook:
    """An audit hook that notifies the worker when the job is about to kill its own process, its
    fork server or its worker: a SIGKILL without that notice came from elsewhere.

    What the job does around Python (a library in C, a command that it starts) goes unseen.
    """
    me = os.getpid()
    mine = {me, -me, 0}
    above = {fork_server_pid, -fork_server_pid, worker_pid, -os.getpgid(worker_pid), -1}

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event not in KILLS:
            return
        target, signum = args
        if event != "os.kill":
            target = me if event == "signal.pthread_kill" else -target
        if (target in mine and signum == signal.SIGKILL) or (target in above and signum != 0):
            with suppress(OSError):
                worker.send(KILLING)

    return hook


def _be_nobodys_child(worker: socket.socket) -> None:
    """In what a handler forks: only the job itself speaks with the worker; signals are as usual."""
    worker.close()
    for signum in NOT_FOR_US:
        usual = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
        signal.signal(signum, usual)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os._exit(1)


if __name__ == "__main__":
    main()
