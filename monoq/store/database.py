"""Connections to Postgres: a pool with a time limit on every wait, and the driver's errors
translated. It must know no table."""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg

from monoq.errors import ConfigError, DatabaseUnavailable, MonoqError, TenantFull

log = logging.getLogger(__name__)

Row: TypeAlias = asyncpg.Record
Plans = Literal["pinned", "fresh"]
Result = TypeVar("Result")

CONNECT_TIMEOUT_S = 3.0
# with the wait for a connection: less than the 5 s in which everybody gets an answer
COMMAND_TIMEOUT_S = 3.0
ACQUIRE_TIMEOUT_S = 1.5
TRIES = 3

# Errors of an outage, not of a bad statement. Such a statement may or may not have been committed.
UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,  # the connection or the pool is closed
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.InsufficientResourcesError,  # class 53: connections, memory, disk
    asyncpg.OperatorInterventionError,  # class 57: shutdown, restart, terminated, query cancelled
    asyncpg.ReadOnlySQLTransactionError,  # failed over to a standby
    asyncpg.InternalClientError,
    asyncpg.LockNotAvailableError,  # a lock was held for longer than a statement waits
)
TENANT_FULL = "MQ429"  # raised by refuse_beyond_max_waiting()
# Rolled back whole for the sake of other transactions: the same again will do.
ROLLED_BACK = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
# data, constraints, limits; all other errors are not the input's fault
INPUT_CLASSES = ("22", "23", "54")

# Statements over arrays of ids. A generic plan spares planning each array again (twice as fast at
# 1,000 ids); the joins that are switched off look cheap to the planner while the table has no
# statistics, and read the whole of it.
PINNED_PLANS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
}
# A plan is made for the table's size of that moment: the one for a few rows reads them all for each
# id, and still does when they are a million, until autovacuum has analysed them. Renewed this
# often, it costs PostgreSQL a few milliseconds a second.
PLAN_LIFETIME_S = 1
# Statements whose best index depends on their arguments.
FRESH_PLANS = {"plan_cache_mode": "force_custom_plan", "jit": "off"}


@cache
def query(name: str) -> str:
    """The text of `store/queries/<name>.sql`."""
    return (Path(__file__).parent / "queries" / f"{name}.sql").read_text()


class Queryable(Protocol):
    """What a store needs: a Database, or an asyncpg connection in the caller's transaction."""

    async def fetch(self, sql: str, /, *args: Any) -> Sequence[Row]: ...
    async def fetchrow(self, sql: str, /, *args: Any) -> Row | None: ...


class Database:
    """A pool of connections. Every method raises DatabaseUnavailable when Postgres is away or too
    slow."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def connect(
        cls, url: str, *, connections: int, plans: Plans, name: str = "monoq"
    ) -> "Database":
        """Opens a pool; raises DatabaseUnavailable, or ConfigError for a malformed URL."""
        server_settings = {
            **(PINNED_PLANS if plans == "pinned" else FRESH_PLANS),
            "application_name": name,
            "synchronous_commit": "on",
            "statement_timeout": str(int(COMMAND_TIMEOUT_S * 1000)),
            "lock_timeout": "3000",
            "idle_in_transaction_session_timeout": "10000",
            "timezone": "UTC",
            "search_path": "public",
        }
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=0,
                max_size=connections,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                max_inactive_connection_lifetime=300,
                max_cached_statement_lifetime=PLAN_LIFETIME_S if plans == "pinned" else 300,
                server_settings=server_settings,
                reset=_no_reset,
            )
        except Exception as error:
            raise connection_error(error, url) from error
        return cls(pool)

    async def close(self) -> None:
        """Closes the pool; connections still busy after 2 s are cut."""
        try:
            async with asyncio.timeout(2):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection from the pool, its errors translated."""
        connection = None
        try:
            # The pool's own timeout would make a task for each acquisition (until Python 3.12).
            async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
                connection = await self._pool.acquire()
            try:
                yield connection
            except asyncio.CancelledError:
                await _come_to_rest(connection)
                raise
            finally:
                await self._pool.release(connection, timeout=ACQUIRE_TIMEOUT_S)
        except UNAVAILABLE as error:
            # The driver's error for an argument that has no place in the statement; a bad
            # certificate is a ValueError as well.
            if isinstance(error, ValueError) and not isinstance(error, OSError):
                raise
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError) and connection is not None:
                # the server behind them is no primary any more
                await self._pool.expire_connections()
            unavailable = DatabaseUnavailable(f"PostgreSQL cannot be used: {_one_line(error)}")
            unavailable.timed_out = isinstance(error, TimeoutError | asyncpg.QueryCanceledError)
            raise unavailable from error
        except asyncpg.PostgresError as error:
            if error.sqlstate == TENANT_FULL:
                raise TenantFull(str(error.detail), str(error.message)) from error
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection inside a transaction, which an exception rolls back."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def in_transaction(
        self, work: Callable[[asyncpg.Connection], Awaitable[Result]]
    ) -> Result:
        """Runs `work` inside a transaction; runs it again after a deadlock or the like."""
        return await self._repeat(self.transaction, work)

    async def fetch(self, sql: str, /, *args: Any) -> Sequence[Row]:
        """Runs one statement, one transaction; returns its rows."""
        rows: Sequence[Row] = await self._repeat(
            self.connection, lambda connection: connection.fetch(sql, *args)
        )
        return rows

    async def fetchrow(self, sql: str, /, *args: Any) -> Row | None:
        """Runs one statement; returns its first row."""
        rows = await self.fetch(sql, *args)
        return rows[0] if rows else None

    async def _repeat(
        self,
        place: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]],
        work: Callable[[asyncpg.Connection], Awaitable[Result]],
    ) -> Result:
        for _ in range(TRIES):
            try:
                async with place() as connection:
                    return await work(connection)
            except ROLLED_BACK as error:
                log.warning("retrying a statement: %s", _one_line(error))
        raise DatabaseUnavailable(f"PostgreSQL rolled back a statement {TRIES} times")


def is_of_the_input(error: Exception) -> bool:
    """Whether the input is at fault: a value that a column or the driver does not accept, or that
    exceeds a limit."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate)[:2] in INPUT_CLASSES
    # the driver's, for what does not fit its type
    return isinstance(error, ValueError | OverflowError)


def connection_error(error: Exception, url: str) -> MonoqError:
    """Why a connection could not be opened: an outage, or a URL that cannot work."""
    # the driver's error for a bad URL is both
    if isinstance(error, UNAVAILABLE) and not isinstance(error, ValueError):
        return DatabaseUnavailable(
            f"PostgreSQL cannot be reached at {_place(url)}: {_one_line(error)}"
        )
    return ConfigError(f"MONOQ_DATABASE_URL: {_one_line(error)}")


def _place(url: str) -> str:
    """Where a URL leads: its hosts with their ports, or the folder of its socket; no password."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    hosts = parts.netloc.rpartition("@")[2] or query.get("host") or os.environ.get("PGHOST", "")
    port = query.get("port") or os.environ.get("PGPORT") or "5432"
    return ", ".join(
        f"the socket in {host}" if host.startswith("/") else _with_port(host or "localhost", port)
        for host in hosts.split(",")
    )


def _with_port(host: str, port: str) -> str:
    return host if re.search(r":\d+$", host) else f"{host}:{port}"


async def _no_reset(connection: asyncpg.Connection) -> None:
    """We leave no session state behind, so a connection returns to the pool without the driver's
    extra round trip."""


async def _come_to_rest(connection: asyncpg.Connection) -> None:
    """After a cancellation. Between its preparation and its execution a statement is open in
    Postgres, and the clock of statement_timeout runs: when it is up, the code that has the
    connection by then gets the error."""
    try:
        async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
            await connection.execute("SELECT")
    except (*UNAVAILABLE, asyncpg.PostgresError):
        connection.terminate()
    except BaseException:  # cancelled once more
        connection.terminate()
        raise


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
