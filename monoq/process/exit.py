"""How a process ends for certain: asked by a signal, by force, or when its work is done. No thread
that hangs may keep it, and who has processes of his own running is called before, for a bounded
time. It must take no lock in a signal handler."""

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
LAST_ACTS_S = 10.0  # how long what is called before the end may take, all together
FORCED = 130  # exit code after a second signal

Act = Callable[[], None]


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to end. Its exit code says which, as shells do."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.code = 128 + signum


_acts: list[Act] = []
_forced = threading.Lock()  # taken once, by the thread that ends the process
_signals = 0


def before_the_end(act: Act) -> None:
    """Has `act` called before this process ends, even by force; not if it is killed. It must be
    bounded, and may be called twice, in any thread, while all other threads go on. It must not log:
    another thread may hold the lock of that."""
    _acts.append(act)


def no_longer(act: Act) -> None:
    """Takes back what `before_the_end` was told."""
    with suppress(ValueError):
        _acts.remove(act)


def end_by_force(code: int, after_s: float = 0.0) -> None:
    """Ends the process in so many seconds, whatever its threads do. Returns at once; may be called
    by a signal handler."""
    # Not by threading.Thread: it takes a lock that the code which a signal interrupted may hold.
    _thread.start_new_thread(_end, (code, after_s))


@contextmanager
def on_signals(first: Callable[[int], None]) -> Iterator[None]:
    """The first SIGINT, SIGTERM or SIGHUP of this process calls `first`, in the main thread; each
    one after it forces the end.

    The handlers stay for good: between this block and the last act, too, a signal must not end the
    process just like that.
    """
    global _first
    before, _first = _first, first
    for signum in STOP_SIGNALS:
        # nohup asks for a process that outlives its terminal
        if signum != signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _told)
    try:
        yield
    finally:
        _first = before


def interrupt(signum: int) -> None:
    """Raises Interrupted where the main thread is."""
    raise Interrupted(signum)


_first: Callable[[int], None] = interrupt


@contextmanager
def ends_for_certain() -> Iterator[None]:
    """The process ends with this block, with the exit code that Python would give it. Python itself
    would first wait for each thread of a pool: a plain handler that hangs would keep the process
    for ever."""
    code: Any = None
    try:
        yield
    except SystemExit as error:
        code = error.code
    except Interrupted as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - shown as Python shows it; then the process ends
        sys.excepthook(*sys.exc_info())
        code = 1
    if not (code is None or isinstance(code, int)):
        print(code, file=sys.stderr)
    end(code if isinstance(code, int) else int(code is not None))


def end(code: int) -> NoReturn:
    """Ends the process with this code: calls what asked for it, here and by `atexit`, and waits for
    no thread."""
    global _first
    _first = _ignore
    end_by_force(code, LAST_ACTS_S)  # whatever holds these up
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # it is closed, or nobody reads it
            stream.flush()
    if not _forced.acquire(blocking=False):
        threading.Event().wait()  # the end by force is under way, with a code of its own
    os._exit(code)


class UnwaitedThreads(ThreadPoolExecutor):
    """Threads for `asyncio.to_thread`. A loop that closes waits for those: for ever, if one of them
    hangs."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the threads that have nothing to do, and leaves the others alone."""
        super().shutdown(wait=False, cancel_futures=True)


def _ignore(_: int) -> None:
    """The end is near."""


def _told(signum: int, _: FrameType | None) -> None:
    global _signals
    _signals += 1
    if _signals == 1:
        _first(signum)
    elif _signals == 2:  # the third finds the end under way
        end_by_force(FORCED)


def _end(code: int, after_s: float) -> None:
    time.sleep(after_s)
    if not _forced.acquire(blocking=False):
        return
    try:
        acting = threading.Thread(target=_do_last_acts, daemon=True)
        acting.start()
        acting.join(LAST_ACTS_S)
    finally:
        os._exit(code)


@atexit.register
def _do_last_acts() -> None:
    for act in _acts[::-1]:
        with suppress(Exception):
            act()
