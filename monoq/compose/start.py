"""What a start needs: our files, the engines, a current schema. It must never migrate the schema of
an engine that is not embedded."""

import asyncio
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monoq.config import Settings
from monoq.embedded import engines
from monoq.errors import ConfigError, DatabaseUnavailable
from monoq.store.migrate import migrate, missing_migrations

MAX_DESCRIPTORS = 65_536


def raise_descriptor_limit() -> None:
    """Raises the soft limit of file descriptors as far as allowed: each connection takes one, and
    the usual 1,024 are soon used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def package_dir(name: str) -> Path:
    """`static` or `migrations`: inside an installed wheel, or beside the package in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


@contextmanager
def engine_urls(settings: Settings, *, redis: bool = True) -> Iterator[tuple[str, str]]:
    """The URLs to use: those that are set, and the embedded engines for the others. Raises
    EmbeddedError."""
    with engines(
        settings.data_dir,
        postgres=settings.database_url is None,
        redis=redis and settings.redis_url is None,
    ) as own:
        yield (
            settings.database_url or own.database_url or "",
            settings.redis_url or own.redis_url or "",
        )


async def require_schema(settings: Settings, database_url: str) -> None:
    """Migrates the schema of an embedded engine; checks any other. Waits for a PostgreSQL that is
    restarting.

    Raises ConfigError for a schema that is not current, DatabaseUnavailable.
    """
    migrations = package_dir("migrations")
    if settings.database_url is None:
        await migrate(database_url, migrations)
        return
    end = time.monotonic() + settings.start_timeout
    while True:
        try:
            missing = await missing_migrations(database_url, migrations)
            break
        except DatabaseUnavailable:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.2)
    if missing:
        raise ConfigError(
            f"the schema is not up to date (missing {', '.join(missing)}): run `monoq migrate`"
        )
