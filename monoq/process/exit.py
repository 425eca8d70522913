"""How a process exits, bounded in time: after a signal, by force, or when its work is done. No hung
thread may keep it, and what must be cleaned up before (processes of our own) registers a hook. It
must take no lock in a signal handler."""

import _thread
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HOOKS_S = 10.0  # how long all hooks together may take
FORCED = 130  # exit code after a second signal

Hook = Callable[[], None]


class Interrupted(KeyboardInterrupt):
    """A signal requested the exit of this process. Its exit code names the signal, as shells do."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.code = 128 + signum


_hooks: list[Hook] = []
_exiting = threading.Lock()  # taken once, by the thread that ends the process
_signals = 0


def before_exit(hook: Hook) -> None:
    """Calls `hook` before this process exits, even by force; not if it is killed.

    A hook must be bounded. It may be called twice, in any thread, while all other threads continue.
    It must not log: another thread may hold logging's lock.
    """
    _hooks.append(hook)


def not_before_exit(hook: Hook) -> None:
    """Takes back `before_exit`."""
    with suppress(ValueError):
        _hooks.remove(hook)


def force_exit(code: int, after_s: float = 0.0) -> None:
    """Exits after so many seconds, whatever the threads do. Returns at once; may be called by a
    signal handler."""
    # Not threading.Thread: it takes a lock that the code which a signal interrupted may hold.
    _thread.start_new_thread(_exit_after, (code, after_s))


@contextmanager
def on_signals(first: Callable[[int], None]) -> Iterator[None]:
    """The first SIGINT, SIGTERM or SIGHUP of this process calls `first`, in the main thread; the
    next one forces the exit.

    The handlers stay for good: between this block and the last hook, too, a signal must not end the
    process without its hooks.
    """
    global _first
    before, _first = _first, first
    for signum in STOP_SIGNALS:
        # nohup requests a process that outlives its terminal
        if signum != signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _on_signal)
    try:
        yield
    finally:
        _first = before


def interrupt(signum: int) -> None:
    """Raises Interrupted where the main thread is."""
    raise Interrupted(signum)


_first: Callable[[int], None] = interrupt


@contextmanager
def certain_exit() -> Iterator[None]:
    """The process exits with this block, with the code that Python would use. Python itself would
    first join each thread of a pool: a plain handler that hangs would keep the process for ever."""
    code: Any = None
    try:
        yield
    except SystemExit as error:
        code = error.code
    except Interrupted as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - shown as Python shows it; then the process exits
        sys.excepthook(*sys.exc_info())
        code = 1
    if not (code is None or isinstance(code, int)):
        print(code, file=sys.stderr)
    exit_now(code if isinstance(code, int) else int(code is not None))


def exit_now(code: int) -> NoReturn:
    """Exits with this code: runs the hooks of this module and of `atexit`, and joins no thread."""
    global _first
    _first = _ignore
    force_exit(code, HOOKS_S)  # whatever holds the hooks up
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # it is closed, or has no reader
            stream.flush()
    if not _exiting.acquire(blocking=False):
        threading.Event().wait()  # a forced exit is in progress, with a code of its own
    os._exit(code)


class UnwaitedThreads(ThreadPoolExecutor):
    """Threads for `asyncio.to_thread`. A loop that closes joins those: for ever, if one hangs."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the idle threads, and leaves the others alone."""
        super().shutdown(wait=False, cancel_futures=True)


def _ignore(_: int) -> None:
    """The process exits already."""


def _on_signal(signum: int, _: FrameType | None) -> None:
    global _signals
    _signals += 1
    if _signals == 1:
        _first(signum)
    elif _signals == 2:  # at the third, a forced exit is in progress
        force_exit(FORCED)


def _exit_after(code: int, after_s: float) -> None:
    time.sleep(after_s)
    if not _exiting.acquire(blocking=False):
        return
    try:
        hooks = threading.Thread(target=_run_hooks, daemon=True)
        hooks.start()
        hooks.join(HOOKS_S)
    finally:
        os._exit(code)


@atexit.register
def _run_hooks() -> None:
    for hook in _hooks[::-1]:
        with suppress(Exception):
            hook()
