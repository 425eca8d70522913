"""A process's use of the engines of a data folder: it enters, keeps them alive, and leaves; the
last one out stops them.

Each user holds `users.lock` shared; a leaving user that can take it exclusively was the last.
`start.lock` is held to start or stop. The kernel drops the locks of a process that was killed, so a
crash blocks nobody: engines that it left behind are used by the next.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from monoq.embedded import sockets
from monoq.embedded.engine import Engine
from monoq.embedded.watch import Watch
from monoq.errors import EmbeddedError
from monoq.process import exit as process_exit

BESIDE_US_S = 1.0  # how long a forced end waits for another thread, and for another process
SETTLED_WITHIN_S = 15.0  # a Redis that hangs has ten seconds to stop
LOOK_S = 0.02  # between two looks at a lock


class Use:
    """One use. `leave` must follow, whatever became of `enter`; if it does not, the end of the
    process makes up for it."""

    def __init__(
        self,
        data_dir: Path,
        socket_folder: Path,
        engines: Sequence[Engine],
        wanted: Sequence[Engine],
    ) -> None:
        self._data_dir = data_dir
        self._socket_folder = socket_folder
        self._engines = engines
        self._wanted = wanted
        self._owner = os.getpid()
        self._leaving = threading.Event()
        # Of the threads of this process: what they lock, they have in common. An interrupted thread
        # may take it once more.
        self._turn = threading.RLock()
        self._users, self._start = _open(data_dir)
        self._watch = Watch(wanted, self._restart, self._folder_is_there)
        process_exit.before_exit(self.leave_at_once)

    def enter(self) -> None:
        """Starts what does not run, and watches it from now on. Raises EmbeddedError."""
        with self._locked():
            fcntl.flock(self._users, fcntl.LOCK_SH)
            sockets.make(self._socket_folder)
            with ThreadPoolExecutor() as threads:
                try:
                    for started in [threads.submit(engine.bring_up) for engine in self._wanted]:
                        started.result()
                except BaseException:
                    self._abandon()  # or the pool would wait for the others to come up
                    raise
        self._watch.start()

    def leave(self) -> None:
        """Stops the engines if they have no other user. A restart in progress finishes first, and
        no other begins."""
        if self._is_in_a_fork():
            return
        self._abandon()
        # Nobody else does: an interrupted pool forgets the thread that it was just about to start.
        for engine in self._engines:
            engine.settle(SETTLED_WITHIN_S)
        is_there = self._folder_is_there()
        with self._locked():
            if self._is_alone():
                for engine in self._engines:
                    engine.stop()
                if is_there:
                    sockets.remove(self._socket_folder)
        process_exit.not_before_exit(self.leave_at_once)
        self._users.close()
        self._start.close()

    def leave_at_once(self) -> None:
        """The same within a few seconds, for a process that is about to end whatever its threads
        do."""
        if self._is_in_a_fork():
            return
        self._abandon()
        # The process that has the turn cannot start anything any more; if it does not finish, we go
        # on beside it.
        for engine in self._engines:
            engine.settle(BESIDE_US_S / len(self._engines))
        has_turn = self._turn.acquire(timeout=BESIDE_US_S)
        try:
            if self._start.closed or not _lock(self._start, BESIDE_US_S):
                return  # another user starts them, and will stop them
            is_there = self._folder_is_there()
            if self._is_alone():
                for engine in self._engines:
                    engine.stop_at_once()
                if is_there:
                    sockets.remove(self._socket_folder)
            process_exit.not_before_exit(self.leave_at_once)
        finally:
            if has_turn:
                self._turn.release()

    def _restart(self, engine: Engine) -> bool:
        """Starts an engine that is gone, in the watching thread; returns whether it was us. Raises
        EmbeddedError."""
        with self._locked(for_the_watch=True):
            if self._leaving.is_set() or engine.pid() is not None:
                return False
            sockets.make(self._socket_folder)  # cleaners of /tmp remove empty folders too
            engine.bring_up(again=True)
            return True

    def _abandon(self) -> None:
        self._leaving.set()
        self._watch.stop()
        for engine in self._engines:
            engine.abandon()

    def _folder_is_there(self) -> bool:
        """Whether the data folder is still the one we entered. Another with its name may be
        somebody else's by now."""
        try:
            named = (self._data_dir / "users.lock").stat()
            if os.path.samestat(named, os.fstat(self._users.fileno())):
                return True
        except (FileNotFoundError, NotADirectoryError):
            pass  # it was deleted
        except OSError:
            return True  # unknown
        except ValueError:
            return True  # this process has just left, and the file is closed
        for engine in self._engines:
            engine.forget_the_folder()
        return False

    @contextmanager
    def _locked(self, *, for_the_watch: bool = False) -> Iterator[None]:
        """The right to start and stop. The watch gives up waiting for it when this process
        leaves."""
        with self._turn:
            try:
                while not _lock(self._start, LOOK_S):
                    if for_the_watch and self._leaving.is_set():
                        break
                yield
            finally:
                fcntl.flock(self._start, fcntl.LOCK_UN)

    def _is_in_a_fork(self) -> bool:
        """A fork has our locks in common with us, and would take itself for the last user."""
        return os.getpid() != self._owner

    def _is_alone(self) -> bool:
        return _lock(self._users, 0)


def cannot_be_written(data_dir: Path, error: OSError) -> EmbeddedError:
    """The one line for an unusable data folder."""
    why = error.strerror
    return EmbeddedError(f"the data folder {data_dir} (MONOQ_DATA_DIR) cannot be written: {why}")


def _open(data_dir: Path) -> tuple[IO[str], IO[str]]:
    try:
        return (data_dir / "users.lock").open("a"), (data_dir / "start.lock").open("a")
    except OSError as error:
        raise cannot_be_written(data_dir, error) from error


def _lock(file: IO[str], within_s: float) -> bool:
    """Whether the lock was to be had in time."""
    end = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(min(LOOK_S, max(within_s, 0.001)))
        else:
            return True
