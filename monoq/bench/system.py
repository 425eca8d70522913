"""The system where the benchmark runs: a scratch database, an empty list, and processes of monoq
started for it."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from monoq.bench.connection import Connection
from monoq.errors import ConfigError, MonoqError
from monoq.process.exit import before_exit, not_before_exit
from monoq.queue.connection import connect
from monoq.queue.keys import QUEUE, keys_of
from monoq.store.migrate import migrate

READY_WITHIN_S = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


class System:
    """Engines for one benchmark. The database is its own; the Redis must be nobody else's, which is
    checked."""

    def __init__(
        self,
        database_url: str,
        redis_url: str,
        connection: asyncpg.Connection,
        settings: dict[str, str],
    ) -> None:
        self.database_url = database_url
        self.redis_url = redis_url
        self.connection = connection
        self._settings = settings
        self._running: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def process(
        self, role: str, port: int = 0, settings: Mapping[str, str] | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """A monoq process, with environment variables of its own; stopped at the end."""
        urls = {
            "MONOQ_DATABASE_URL": self.database_url,
            "MONOQ_REDIS_URL": self.redis_url,
            "MONOQ_PORT": str(port),
        }
        own = {"MONOQ_APP": "monoq.bench.handlers:app", "MONOQ_LOG_LEVEL": "error"}
        command = [sys.executable, "-m", "monoq", "serve", f"--role={role}"]
        environment = os.environ | self._settings | urls | own | dict(settings or {})
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - ourselves
        self._running.append(process)
        before_exit(process.kill)  # or a benchmark that ends by force leaves it to run for ever
        try:
            yield process
        finally:
            if process in self._running:
                self._running.remove(process)
            process.send_signal(signal.SIGTERM)
            process.wait()
            not_before_exit(process.kill)

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """Kills one of these processes at once; that it has ended is then no error."""
        self._running.remove(process)
        process.kill()
        process.wait()

    async def until(
        self, sql: str, *args: Any, every_s: float = 0.05, within_s: float = 600
    ) -> None:
        """Returns when the query's first value is true. Raises MonoqError when it takes too long,
        or a process has ended by itself."""
        end = time.monotonic() + within_s
        while not await self.connection.fetchval(sql, *args):
            if ended := [
                process.returncode for process in self._running if process.poll() is not None
            ]:
                raise MonoqError(
                    f"a process of the benchmark ended by itself, with exit code {ended[0]}"
                )
            if time.monotonic() > end:
                raise MonoqError(f"the benchmark timed out waiting for: {sql}")
            await asyncio.sleep(every_s)

    @asynccontextmanager
    async def api(self, **settings: str) -> AsyncIterator[tuple[int, "subprocess.Popen[bytes]"]]:
        """An API process, ready; yields its port, and itself."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (
            self.process("api", port, settings) as process,
            contextlib.closing(Connection(port)) as http,
        ):
            end = time.monotonic() + READY_WITHIN_S
            while True:
                with contextlib.suppress(OSError, MonoqError):
                    if (await http.get("/health"))[0] == 200:
                        break
                if time.monotonic() > end:
                    raise MonoqError("the API did not start")
                await asyncio.sleep(0.05)
            yield port, process

    async def cpu_seconds(self, workers: "Sequence[subprocess.Popen[bytes]]") -> dict[str, float]:
        """CPU time so far of the workers, of PostgreSQL and of Redis, as far as they run on this
        machine."""
        spent = {
            "the worker": [_cpu_seconds(worker.pid) for worker in workers],
            "PostgreSQL": await self._postgres_cpu_seconds(),
        }
        redis = connect(self.redis_url)
        info = await redis.info("cpu")
        await redis.aclose()
        spent["Redis"] = [info["used_cpu_user"] + info["used_cpu_sys"]]
        return {
            part: sum(time or 0.0 for time in times)
            for part, times in spent.items()
            if times and None not in times
        }

    async def _postgres_cpu_seconds(self) -> list[float | None]:
        """Of the postmaster with what its ended children used, and of its living children: our own
        backend leads to it."""
        backend = await self.connection.fetchval("SELECT pg_backend_pid()")
        if "postgres" not in _read(f"/proc/{backend}/comm"):
            return [None]  # it runs elsewhere
        postmaster = int(_stat(backend)[1])
        children = [
            int(pid) for pid in _read(f"/proc/{postmaster}/task/{postmaster}/children").split()
        ]
        return [
            _cpu_seconds(postmaster, ended_children=True),
            *(_cpu_seconds(pid) or 0.0 for pid in children),
        ]

    async def clear(self) -> None:
        """No jobs, an empty list."""
        await self.connection.execute("TRUNCATE jobs, workers")
        await self.empty_the_list()

    async def clear_jobs(self) -> None:
        """No jobs; the workers stay."""
        await self.connection.execute("TRUNCATE jobs")

    async def empty_the_list(self) -> None:
        """So that no id of ours is left to anybody."""
        redis = connect(self.redis_url)
        await redis.delete(*keys_of(QUEUE))
        await redis.aclose()

    async def fill(self, jobs: int, tenants: int) -> None:
        """Waiting no-op jobs, and statistics and a checkpoint as after a while of use."""
        for first in range(0, jobs, 50_000):
            await self.connection.execute(
                """INSERT INTO jobs (tenant_id, type, payload, max_attempts)
                   SELECT 't' || n % $3::int, 'bench-noop', jsonb_build_object('n', n), 3
                   FROM generate_series($1::int, $2::int) AS n""",
                first,
                min(jobs, first + 50_000) - 1,
                tenants,
                timeout=120,
            )
        await self.connection.execute("VACUUM (ANALYZE) jobs, waiting_jobs", timeout=600)
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            await self.connection.execute("CHECKPOINT", timeout=120)

    async def history(self, jobs: int) -> None:
        """Jobs that finished long ago."""
        for first in range(0, jobs, 100_000):
            await self.connection.execute(
                """INSERT INTO jobs (tenant_id, type, payload, status,
                                     version, claim, attempts, finished_at, started_at)
                   SELECT 't' || n % 8, 'bench-noop', jsonb_build_object('n', n), 'COMPLETED',
                          3, 1, 1, now(), now()
                   FROM generate_series($1::int, $2::int) AS n""",
                first,
                min(jobs, first + 100_000) - 1,
                timeout=300,
            )


@asynccontextmanager
async def scratch_system(
    database_url: str, redis_url: str, migrations: Path, **settings: str
) -> AsyncIterator[System]:
    """A scratch database on these engines, dropped at the end. Raises ConfigError if the Redis is
    in use."""
    redis = connect(redis_url)
    listed = await redis.llen(QUEUE)
    await redis.aclose()
    if listed:
        raise ConfigError(
            "the list job_queue of this Redis is in use; the benchmark would empty it:"
            " choose another with --redis-url"
        )
    name = f"monoq_bench_{os.getpid()}"
    admin = await asyncpg.connect(database_url)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        scratch = _other_database(database_url, name)
        await migrate(scratch, migrations)
        connection = await asyncpg.connect(scratch)
        system = System(scratch, redis_url, connection, settings)
        try:
            yield system
        finally:
            await connection.close()
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await system.empty_the_list()
    finally:
        await admin.close()


def _other_database(url: str, name: str) -> str:
    parts = urlsplit(url)
    return (
        urlunsplit(parts._replace(path=f"/{name}"))
        if parts.netloc
        else re.sub(r"(?<=//)[^?]*", f"/{name}", url)
    )


def peak_memory_mb(processes: "Sequence[subprocess.Popen[bytes]]") -> float | None:
    """The largest resident size that any of them has had, in MB, where the system tells (Linux)."""
    peaks = [
        re.search(r"VmHWM:\s+(\d+) kB", _read(f"/proc/{process.pid}/status"))
        for process in processes
    ]
    return max(int(peak[1]) / 1024 for peak in peaks if peak) if all(peaks) else None


def _cpu_seconds(pid: int, ended_children: bool = False) -> float | None:
    fields = _stat(pid)
    return sum(map(int, fields[11 : 15 if ended_children else 13])) / TICKS if fields else None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third (state) on."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
