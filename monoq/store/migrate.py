"""The schema: applies `migrations/` in order, under a lock, and says whether it is current. It must
never change a row of a job."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from pogo_core import error as pogo_error
from pogo_core.util import migrate as pogo_migrate
from pogo_core.util import sql as pogo_sql

from monoq.errors import ConfigError
from monoq.store.database import CONNECT_TIMEOUT_S, UNAVAILABLE, connection_error

log = logging.getLogger(__name__)

# "monoq": the holder of this advisory lock migrates; the others wait and find it done
LOCK = 0x6D6F6E6F71


async def migrate(url: str, migrations: Path) -> list[str]:
    """Brings the schema up to date; returns the names of what was applied. Any number of processes
    may call it at once."""
    async with _connection(url) as connection:
        # given up with the connection
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        missing = await _missing(connection, migrations)
        if missing:
            try:
                await pogo_migrate.apply(connection, migrations, schema_name="public", logger=log)
            except pogo_error.BadMigrationError as error:
                raise ConfigError(
                    f"the schema could not be migrated: {error}: {error.__cause__}"
                ) from error
        return missing


async def missing_migrations(url: str, migrations: Path) -> list[str]:
    """The names of migrations that are not applied yet, in order; changes nothing."""
    async with _connection(url) as connection:
        return await _missing(connection, migrations)


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    settings = {"application_name": "monoq migrate", "search_path": "public"}
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=settings)
    except Exception as error:
        raise connection_error(error, url) from error
    try:
        yield connection
    except UNAVAILABLE as error:
        raise connection_error(error, url) from error
    finally:
        connection.terminate()


async def _missing(connection: asyncpg.Connection, migrations: Path) -> list[str]:
    # a handful of files, read at the start
    names = sorted(path.stem for path in migrations.glob("*.sql"))  # noqa: ASYNC240
    if await connection.fetchval("SELECT to_regclass('public._pogo_migration')") is None:
        return names
    applied = await pogo_sql.get_applied_migrations(connection, schema_name="public")
    return [name for name in names if name not in applied]
