"""What both engines have in common: a process that outlives the one which started it, known by its
pid file, and to a process that has seen it by its own identity. It must never signal a process that
is not the engine."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from monoq.errors import EmbeddedError

Ended = tuple[int, str]  # the exit code of a program, and its output
Patience = Sequence[tuple[signal.Signals, float]]


class Engine:
    """One server process. `abandon` is for good: nothing is started afterwards, and a start under
    way comes to its end."""

    name = "engine"
    programs: tuple[str, ...] = ()

    def __init__(self, pid_file: Path, folder: Path) -> None:
        self._pid_file: Path | None = pid_file
        self._folder = folder
        self._known: tuple[int, str] | None = None
        self._gate = threading.Lock()
        self._work = threading.Lock()  # held while it is started
        self._abandoned = threading.Event()

    def start(self) -> None:
        """Starts it if it does not run, with new data if there are none. Raises EmbeddedError."""
        raise NotImplementedError

    def restart(self) -> None:
        """Starts it again after it was gone; never makes new data. Raises EmbeddedError."""
        self.start()

    def stop(self) -> None:
        """Stops it cleanly, if it runs; by force, if need be."""
        raise NotImplementedError

    def stop_at_once(self) -> None:
        """The same within a few seconds, for a process that is about to end."""
        raise NotImplementedError

    def pid(self) -> int | None:
        """The pid of the engine; None: it is gone. Costs a look at two or three small files."""
        known = self._known
        if known and _began(known[0]) == known[1]:
            return known[0]
        found = None
        if self._pid_file is not None:
            found = engine_pid(self._pid_file, self._folder, self.programs)
        self._known = (found, began) if found and (began := _began(found)) else None
        return found

    def abandon(self) -> None:
        """Ends what starts it, soon, and lets nothing start it again."""
        with self._gate:  # so a concurrent stop knows every process that was started
            self._abandoned.set()

    def bring_up(self, *, again: bool = False) -> None:
        """`start` or `restart`, unless it is abandoned; `settle` waits for the end of it."""
        with self._work:
            self._fail_if_abandoned()
            if again:
                self.restart()
            else:
                self.start()

    def settle(self, within_s: float) -> None:
        """Waits until no thread is starting it, nor tidying up after a start that failed."""
        if self._work.acquire(timeout=within_s):
            self._work.release()

    def forget_the_folder(self) -> None:
        """From now on only the process that we know is ours: what the folder holds may be
        another's."""
        self._pid_file = None

    def _begin(
        self,
        command: Sequence[str],
        output: IO[bytes],
        cwd: Path,
        environment: dict[str, str],
    ) -> "subprocess.Popen[bytes]":
        """Starts the server. A session of its own: Ctrl-C in the terminal is for monoq, which stops
        its engines itself."""
        with self._gate:
            self._fail_if_abandoned()
            server = subprocess.Popen(  # noqa: S603 - our own words
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=environment,
                start_new_session=True,
            )
            if began := _began(server.pid):
                self._known = server.pid, began
            return server

    def _run(
        self,
        command: Sequence[str],
        text: str,
        cwd: Path,
        environment: dict[str, str],
        within_s: float,
    ) -> Ended:
        """The exit code of a program that reads `text`, and its output. Raises EmbeddedError.

        When the engine is no longer wanted, it is killed with all its processes.
        """
        self._fail_if_abandoned()
        with _text_file() as input_file, _text_file() as output_file:
            input_file.write(text)
            input_file.seek(0)
            try:
                running = subprocess.Popen(  # noqa: S603 - our own words
                    command,
                    stdin=input_file,
                    stdout=output_file,
                    stderr=output_file,
                    cwd=cwd,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise EmbeddedError(f"{self.name} could not be run: {error}") from error
            try:
                self._wait(running, within_s)
            finally:
                if running.poll() is None:
                    os.killpg(running.pid, signal.SIGKILL)
                    running.wait()
            output_file.seek(0)
            return running.returncode, output_file.read()

    def _wait(self, running: "subprocess.Popen[bytes]", within_s: float) -> None:
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            self._fail_if_abandoned()
            with suppress(subprocess.TimeoutExpired):
                running.wait(0.1)
                return
        raise EmbeddedError(f"a {self.name} program took longer than {within_s:g} s")

    def _fail_if_abandoned(self) -> None:
        if self._abandoned.is_set():
            raise EmbeddedError(f"{self.name} is no longer wanted")

    def _stop(self, patience: Patience) -> None:
        if self._pid_file is None:
            # Its data are deleted, and a clean end would also delete the sockets of the process
            # that has our folder's name by now.
            patience = [(signal.SIGKILL, 5)]
        for signum, seconds in patience:
            if (pid := self.pid()) is None:
                return
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
            end = time.monotonic() + seconds
            while self.pid() is not None and time.monotonic() < end:
                time.sleep(0.01)


def _text_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", errors="replace")


def engine_pid(pid_file: Path, folder: Path, programs: Sequence[str]) -> int | None:
    """The pid in the file if it is one of these programs and works in that folder, as both engines
    do. None: the engine is gone.

    A pid is used again after a crash, and soon in a container, so the number alone must never
    decide which process we signal.
    """
    try:
        pid = int(pid_file.read_text().split(maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return None
    if pid <= 0:  # to a signal these are groups of processes
        return None
    try:
        if sys.platform == "linux":
            program = Path(f"/proc/{pid}/comm").read_text()
            if not any(name in program for name in programs):
                return None
            _reap(pid)  # only now: of a child that is no engine, somebody else reads the end
            return pid if os.path.samefile(f"/proc/{pid}/cwd", folder) else None
        _reap(pid)
        os.kill(pid, 0)
    except OSError:
        return None
    return pid


def _began(pid: int) -> str:
    """When this process began, which no other with the same pid has in common with it; empty: it
    has ended, or nobody tells."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    if state in "ZX":
        _reap(pid)
        return ""
    return fields[18]


def _reap(pid: int) -> None:
    """A child that has ended, but whose end nobody has read, would look alive."""
    with suppress(OSError):
        os.waitpid(pid, os.WNOHANG)
