"""A small world of real processes to break: own PostgreSQL and Redis, some APIs and workers, and the ledgers they leave behind.
It must use signals and sockets only, never the inside of a process."""

import asyncio
import atexit
import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

import asyncpg
import httpx
import psutil
import redis.asyncio
from conftest import eventually

from faults.proxy import Proxy
from monoq.app import package_dir
from monoq.embedded import _socket_folder
from monoq.embedded.postgres import PostgresEngine
from monoq.embedded.redis import RedisEngine
from monoq.store.migrate import migrate

HERE = Path(__file__).parent
_names = itertools.count(1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Member:
    """One monoq process."""

    role: str
    command: list[str]
    env: dict[str, str]
    log: Path
    port: int = 0
    process: "subprocess.Popen[bytes]" = field(init=False)
    frozen: bool = False
    asked: bool = False  # whether it was asked to stop

    def start(self) -> None:
        self.asked = self.frozen = False
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.log.parent, env=self.env, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, signum: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signum)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        self.frozen = True
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.frozen = False
        self.send(signal.SIGCONT)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class World:
    """Engines and members. `settings` are environment variables for every member."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.ledger.touch()
        sockets = _socket_folder(folder)
        self.postgres = PostgresEngine(folder, sockets)
        self.redis = RedisEngine(folder, sockets)
        self.postgres_socket, self.redis_socket = str(sockets / ".s.PGSQL.5432"), str(sockets / "redis.sock")
        self.database_url = self.postgres.url
        self.redis_url = self.redis.url
        self.members: list[Member] = []
        self._idle: list[asyncpg.Connection] = []
        self.settings = {
            "MONOQ_LEASE": "4",  # not 10 s: what takes a lease, or half of one, is not to take the tests so long
            "MONOQ_APP": "handlers_for_faults:app",
            "LEDGER": str(self.ledger),
            "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent.parent}",
        } | settings
        self.http = httpx.AsyncClient(timeout=10, trust_env=False)

    def member(self, role: str, **settings: str) -> Member:
        """A process of this role, started; with settings of its own."""
        port = free_port()
        urls = {"MONOQ_DATABASE_URL": self.database_url, "MONOQ_REDIS_URL": self.redis_url, "MONOQ_PORT": str(port)}
        env = os.environ | urls | self.settings | settings
        member = Member(
            role, [sys.executable, "-m", "monoq", "serve", f"--role={role}"], env, self.folder / f"{role}-{next(_names)}.log", port
        )
        member.start()
        self.members.append(member)
        return member

    def through(self, postgres: Proxy | None = None, redis: Proxy | None = None) -> dict[str, str]:
        """Settings of a member that reaches its engines through these."""
        urls = {}
        if postgres:
            urls["MONOQ_DATABASE_URL"] = f"postgresql://monoq@127.0.0.1:{postgres.port}/monoq"
        if redis:
            urls["MONOQ_REDIS_URL"] = f"redis://127.0.0.1:{redis.port}"
        return urls

    @property
    def apis(self) -> list[Member]:
        return [member for member in self.members if member.role == "api" and member.alive]

    @property
    def workers(self) -> list[Member]:
        return [member for member in self.members if member.role == "worker" and member.alive]

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.postgres.url)

    async def connect_to(self, database: str) -> asyncpg.Connection:
        """Another database of the same server."""
        return await asyncpg.connect(self.postgres.url, database=database)

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """On a connection that is kept: facts are asked for a hundred times a second. One that broke meanwhile is replaced."""
        while self._idle:
            connection = self._idle.pop()
            with contextlib.suppress(
                OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError
            ):
                return await self._fetch(connection, sql, *args)
        return await self._fetch(await self.connect(), sql, *args)

    async def _fetch(self, connection: asyncpg.Connection, sql: str, *args: Any) -> list[asyncpg.Record]:
        try:
            rows = list(await connection.fetch(sql, *args))
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)
        return rows

    async def value(self, sql: str, *args: Any) -> Any:
        rows = await self.fetch(sql, *args)
        return rows[0][0] if rows else None

    async def cache(self, *command: Any) -> Any:
        client = redis.asyncio.Redis.from_url(self.redis.url)
        try:
            return await client.execute_command(*command)
        finally:
            await client.aclose()

    async def submit(self, jobs: list[dict[str, Any]], api: Member | None = None) -> list[str]:
        """Through an API; the ids are acknowledged."""
        answer = await self.http.post(f"{(api or self.apis[0]).url}/jobs/batch", json={"jobs": jobs})
        answer.raise_for_status()
        return list(answer.json()["jobIds"])

    async def submit_sql(self, job_type: str, payload: str, times: int = 1) -> list[Any]:
        rows = await self.fetch(
            "SELECT monoq_submit('acme', $1, $2::jsonb) AS id FROM generate_series(1, $3::int)", job_type, payload, times
        )
        return [row["id"] for row in rows]

    async def trusted(self) -> None:
        """Rescuers trust themselves only after half a lease of unbroken contact: until then nothing is to be timed."""
        lease_s = float(self.settings["MONOQ_LEASE"])
        enough = timedelta(seconds=lease_s / 2 + 0.5)
        await eventually(lambda: self.value("SELECT now() - max(started_at) > $1::interval FROM workers", enough))

    async def all_ended(self, timeout: float = 60) -> None:
        await eventually(lambda: self.value("SELECT count(*) = 0 FROM jobs WHERE status IN ('PENDING', 'RUNNING')"), timeout=timeout)

    async def running_on(self, member: Member) -> int:
        sql = "SELECT count(*) FROM jobs JOIN workers ON workers.id = worker_id WHERE status = 'RUNNING' AND name LIKE '%:' || $1"
        return int(await self.value(sql, str(member.pid)))

    async def busy_worker(self) -> Member:
        """A worker that is running something."""

        async def busy() -> Member | None:
            for member in self.workers:
                if await self.running_on(member):
                    return member
            return None

        return cast(Member, await eventually(busy))

    async def is_up(self, member: Member) -> None:
        if member.role == "api":

            async def healthy() -> bool:
                with contextlib.suppress(httpx.HTTPError):
                    return (await self.http.get(f"{member.url}/health")).status_code == 200
                return False

            await eventually(healthy)
        else:
            await eventually(lambda: self.value("SELECT count(*) FROM workers WHERE name LIKE '%:' || $1", str(member.pid)))

    def postgres_processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            postmaster = psutil.Process(int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0]))
            return [*postmaster.children(recursive=True), postmaster]
        return []

    def redis_process(self) -> psutil.Process:
        return psutil.Process(int((self.folder / "redis.pid").read_text()))

    def kill_postgres(self) -> None:
        processes = self.postgres_processes()
        for process in processes[::-1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)

    def freeze_postgres(self) -> None:
        for process in self.postgres_processes()[::-1]:
            with contextlib.suppress(psutil.NoSuchProcess):  # sessions come and go
                process.suspend()

    def thaw_postgres(self) -> None:
        for process in self.postgres_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def kill_redis(self) -> None:
        process = self.redis_process()
        process.kill()
        with contextlib.suppress(psutil.Error):
            process.wait(5)

    def executions(self) -> list[tuple[str, str, int]]:
        """(job id, "start" or "end", claim), in the order in which handlers wrote them."""
        lines = self.ledger.read_text().splitlines()
        return [(job_id, event, int(claim)) for job_id, event, claim, _ in (line.split() for line in lines)]

    def stale(self) -> int:
        """Results that came too late, as the workers' logs tell."""
        told = [re.findall(r"(\d+) results came too late", member.said()) for member in self.members]
        return sum(int(n) for numbers in told for n in numbers)

    async def close(self) -> None:
        for member in self.members:
            if member.alive:
                member.thaw()
                member.kill()
        await self.http.aclose()
        for connection in self._idle:
            connection.terminate()
        await asyncio.to_thread(self.thaw_postgres)
        with contextlib.suppress(Exception):
            self.redis_process().resume()
        await asyncio.to_thread(self.redis.stop)
        await asyncio.to_thread(self.postgres.stop)


@cache
def _cluster() -> Path:
    """The cluster of every world, migrated and guarded, stopped: a copy is there much sooner than a new one."""
    folder = Path(tempfile.mkdtemp(prefix="monoq-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    engine = PostgresEngine(folder, _socket_folder(folder))
    engine.start()
    asyncio.run(_prepare(engine.url))
    engine.stop()
    return folder / "postgres"


async def _prepare(url: str) -> None:
    await migrate(url, package_dir("migrations"))
    connection = await asyncpg.connect(url)
    await connection.execute((HERE / "guard.sql").read_text())
    await connection.close()


@asynccontextmanager
async def world(folder: Path, *, apis: int = 0, workers: int = 0, **settings: str) -> AsyncIterator[World]:
    """A world in which everything is up, with a trigger that writes every forbidden change of a job into the table `violations`."""
    made = World(folder, **settings)
    try:
        cluster = await asyncio.to_thread(_cluster)
        await asyncio.to_thread(shutil.copytree, cluster, folder / "postgres")
        await asyncio.gather(asyncio.to_thread(made.postgres.start), asyncio.to_thread(made.redis.start))
        members = [made.member(role) for role, count in (("api", apis), ("worker", workers)) for _ in range(count)]
        for member in members:
            await made.is_up(member)
        yield made
        violations = await made.fetch("SELECT * FROM violations LIMIT 5")
        assert not violations, violations
    finally:
        await made.close()
        for member in made.members:
            print(f"--- {member.log.name}\n{member.said()[-3000:]}")
