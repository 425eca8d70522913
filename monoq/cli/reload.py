"""`monoq serve --reload`: restarts the server when a module changes. It keeps the embedded engines
meanwhile, and must leave no process behind, however it ends."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from monoq.errors import ConfigError
from monoq.process import exit as process_exit

log = logging.getLogger(__name__)

PARENT = "MONOQ_RELOADER"  # a descriptor that is at its end when the parent is gone
AT_ONCE_S = 4.0  # for a server to end after a second signal
SKIPPED = {"__pycache__", "node_modules"}

Event = tuple[str, object]  # "changed" and a path, "ended" and a server, "stop" and a signal


class Reloader:
    """One server after the other. Signals are for the parent: a server has a group of its own, and
    is told once to stop."""

    def __init__(self, command: Sequence[str], data_dir: Path) -> None:
        self._command = command
        self._data_dir = data_dir
        # its `put` may interrupt its `get`, as a signal handler does
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._server: subprocess.Popen[bytes] | None = None
        self._told = False  # whether the server was told to stop
        self._gate = threading.Lock()
        self._over = False

    def run(self) -> int:
        """Serves until a signal; returns the exit code of the last server."""
        process_exit.before_exit(self._stop_at_once)
        read_end, write_end = os.pipe()
        watch = Watch(Path.cwd(), self._data_dir, lambda path: self._events.put(("changed", path)))
        try:
            with process_exit.on_signals(lambda signum: self._events.put(("stop", signum))):
                code = None
                while code is None:
                    watch.cover()  # before the start: no change after it is missed
                    code = self._serve_once(read_end)
                return code
        finally:
            watch.stop()
            self._stop_at_once()
            process_exit.not_before_exit(self._stop_at_once)
            os.close(read_end)
            os.close(write_end)

    def _serve_once(self, read_end: int) -> int | None:
        """None: a module has changed, and the server has stopped."""
        server = self._start(read_end)
        ended = False
        stopped_by: object = None
        changed = False
        while not (ended and (changed or stopped_by)):
            kind, what = self._events.get()
            if kind == "ended" and what is server:
                ended = True
                if not (changed or stopped_by):
                    told = "the server has ended (%s); it starts again when a module changes"
                    log.warning(told, server.returncode)
            elif kind == "changed" and not changed:
                changed = True
                log.info("%s has changed; restarting", what)
                self._tell(signal.SIGTERM)
            elif kind == "stop":
                stopped_by = what
                self._tell(signal.SIGINT)
        return server.returncode if stopped_by else None

    def _start(self, read_end: int) -> "subprocess.Popen[bytes]":
        with self._gate:
            if self._over:
                raise process_exit.Interrupted(signal.SIGINT)
            server = subprocess.Popen(  # noqa: S603 - our own words
                self._command,
                env=os.environ | {PARENT: str(read_end)},
                pass_fds=[read_end],
                process_group=0,
            )
            self._server, self._told = server, False
        threading.Thread(target=self._await, args=(server,), daemon=True).start()
        return server

    def _await(self, server: "subprocess.Popen[bytes]") -> None:
        server.wait()
        self._events.put(("ended", server))

    def _tell(self, signum: signal.Signals) -> None:
        """Once: a second signal would force its exit."""
        if self._server is not None and not self._told:
            self._told = True
            with suppress(ProcessLookupError):
                self._server.send_signal(signum)

    def _stop_at_once(self) -> None:
        """For a process that is about to end: asks the server to leave without delay, too."""
        with self._gate:
            self._over = True
            server = self._server
        if server is None or server.poll() is not None:
            return
        for _ in range(1 if self._told else 2):
            with suppress(ProcessLookupError):
                server.send_signal(signal.SIGINT)
        try:
            server.wait(AT_ONCE_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def stop_with_the_parent() -> None:
    """In a server that a Reloader started: it stops when that is gone, even if it was killed."""
    if descriptor := os.environ.pop(PARENT, ""):
        threading.Thread(target=_stop_at_the_end_of, args=(int(descriptor),), daemon=True).start()


def _stop_at_the_end_of(descriptor: int) -> None:
    with suppress(OSError):
        os.read(descriptor, 1)  # nothing is ever written
        os.kill(os.getpid(), signal.SIGTERM)


def server_command() -> list[str]:
    """This command line without `--reload`."""
    words = [word for word in sys.argv[1:] if word != "--reload"]
    return [sys.executable, "-m", "monoq", *words]


class Watch:
    """Calls `changed` with a path whenever a module below a folder changes.

    The top is watched alone, and each folder with what is below it: an engine's data change all the
    time, and to watch them would cost as much.
    """

    def __init__(self, top: Path, data_dir: Path, changed: Callable[[str], None]) -> None:
        self._top = top
        self._data_dir = data_dir.resolve()
        self._changed = changed
        self._stopping = threading.Event()
        self._watched: set[Path] = set()

    def cover(self) -> None:
        """Watches what is not watched yet. Raises ConfigError if nothing can watch."""
        if self._top not in self._watched:
            self._follow([self._top], recursive=False)
        new = [one for one in self._top.iterdir() if self._has_modules(one)]
        if new := [one for one in new if one not in self._watched]:
            self._follow(new, recursive=True)

    def stop(self) -> None:
        """Ends it."""
        self._stopping.set()

    def _follow(self, folders: Sequence[Path], *, recursive: bool) -> None:
        try:
            from watchfiles import PythonFilter, watch
        except ImportError:
            raise ConfigError(
                "--reload needs watchfiles: install it with `pip install 'monoq[reload]'`"
            ) from None
        self._watched.update(folders)

        def follow() -> None:
            for changes in watch(
                *folders,
                watch_filter=PythonFilter(),
                recursive=recursive,
                stop_event=self._stopping,
                rust_timeout=500,
            ):
                path = min(path for _, path in changes)
                self._changed(os.path.relpath(path, self._top))

        threading.Thread(target=follow, name="reload", daemon=True).start()

    def _has_modules(self, folder: Path) -> bool:
        """Whether it may hold modules of the user's: no hidden one, no virtual environment."""
        return (
            folder.is_dir()
            and not folder.name.startswith(".")
            and folder.name not in SKIPPED
            and not (folder / "pyvenv.cfg").exists()
            and folder != self._data_dir
        )
