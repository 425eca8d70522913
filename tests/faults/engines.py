"""A PostgreSQL and a Redis to break: their processes are killed, frozen and thawed as the system
would do it.

The PostgreSQL has a trigger that writes every forbidden change of a job into the table
`violations`.
"""

import asyncio
import atexit
import contextlib
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import redis.asyncio

from monoq.compose.start import package_dir
from monoq.embedded.postgres import PostgresEngine
from monoq.embedded.redis import RedisEngine
from monoq.embedded.sockets import make, remove, socket_folder
from monoq.store.migrate import migrate

GUARD = Path(__file__).parent / "guard.sql"


class Engines:
    """Both, with their data in one folder, and what a test asks of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sockets = sockets = socket_folder(folder)
        self.postgres = PostgresEngine(folder, sockets)
        self.redis = RedisEngine(folder, sockets)
        self.postgres_socket, self.redis_socket = (
            str(sockets / ".s.PGSQL.5432"),
            str(sockets / "redis.sock"),
        )
        self._idle: list[asyncpg.Connection] = []

    async def start_engines(self) -> None:
        make(self.sockets)
        cluster = await asyncio.to_thread(_cluster)
        await asyncio.to_thread(shutil.copytree, cluster, self.folder / "postgres")
        await asyncio.gather(
            asyncio.to_thread(self.postgres.start), asyncio.to_thread(self.redis.start)
        )

    async def stop_engines(self) -> None:
        """In whatever state a test has left them."""
        for connection in self._idle:
            connection.terminate()
        await asyncio.to_thread(self.thaw_postgres)
        with contextlib.suppress(Exception):
            self.redis_process().resume()
        await asyncio.to_thread(self.redis.stop)
        await asyncio.to_thread(self.postgres.stop)
        remove(self.sockets)

    async def connect(self) -> asyncpg.Connection:
        """Of the default isolation, whatever a test sets for the database: it is not the test whose
        statements are to be refused."""
        return await asyncpg.connect(
            self.postgres.url, server_settings={"default_transaction_isolation": "read committed"}
        )

    async def connect_to(self, database: str) -> asyncpg.Connection:
        """Another database of the same server."""
        return await asyncpg.connect(self.postgres.url, database=database)

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """On a connection that is kept: facts are asked for a hundred times a second. One that
        broke meanwhile is replaced."""
        while self._idle:
            connection = self._idle.pop()
            with contextlib.suppress(
                OSError,
                asyncpg.InterfaceError,
                asyncpg.PostgresConnectionError,
                asyncpg.AdminShutdownError,
                asyncpg.CrashShutdownError,
            ):
                return await self._fetch(connection, sql, *args)
        return await self._fetch(await self.connect(), sql, *args)

    async def _fetch(
        self, connection: asyncpg.Connection, sql: str, *args: Any
    ) -> list[asyncpg.Record]:
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
        client: Any = redis.asyncio.Redis.from_url(self.redis.url)
        try:
            return await client.execute_command(*command)
        finally:
            await client.aclose()

    def postgres_processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            postmaster = psutil.Process(
                int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0])
            )
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


@cache
def _cluster() -> Path:
    """The cluster that every test gets a copy of, migrated and guarded, stopped: the copy is there
    much sooner than a new one."""
    folder = Path(tempfile.mkdtemp(prefix="monoq-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sockets = socket_folder(folder)
    make(sockets)
    engine = PostgresEngine(folder, sockets)
    engine.start()
    asyncio.run(_prepare(engine.url))
    engine.stop()
    remove(sockets)
    return folder / "postgres"


async def _prepare(url: str) -> None:
    await migrate(url, package_dir("migrations"))
    connection = await asyncpg.connect(url)
    await connection.execute(GUARD.read_text())
    await connection.close()
