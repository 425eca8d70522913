"""`monoq check`: whether a start would succeed. It must change nothing."""

import os
from pathlib import Path

from monoq.cli.finding import Finding, fail, ok
from monoq.config import Settings, unknown_variables
from monoq.errors import ConfigError, DatabaseUnavailable, QueueUnavailable
from monoq.queue.ready import Ready
from monoq.store.migrate import missing_migrations
from monoq.store.recount import find_drift


async def check_all(
    settings: Settings, database_url: str, redis_url: str, migrations: Path
) -> list[Finding]:
    """The settings (already validated), PostgreSQL and its schema, Redis."""
    strangers = unknown_variables(os.environ)
    return [
        *[fail(stranger) for stranger in strangers],
        *([] if strangers else [ok("settings are valid")]),
        await _database(settings, database_url, migrations),
        await _queue(redis_url),
    ]


async def check_counts(database_url: str) -> list[Finding]:
    """Whether the counts that limits use equal a recount of all jobs."""
    try:
        drift = await find_drift(database_url)
    except (DatabaseUnavailable, ConfigError) as error:
        return [fail(str(error))]
    if drift:
        return [fail(line) for line in drift]
    return [ok("the counts are those of the jobs")]


async def _database(settings: Settings, url: str, migrations: Path) -> Finding:
    try:
        missing = await missing_migrations(url, migrations)
    except (DatabaseUnavailable, ConfigError) as error:
        return fail(str(error))
    if missing and settings.database_url is not None:
        return fail(
            "PostgreSQL answers, the schema is not current"
            f" (missing {', '.join(missing)}): run `monoq migrate`",
        )
    return ok(
        "PostgreSQL answers, "
        + ("the schema is created at the first start" if missing else "the schema is up to date"),
    )


async def _queue(url: str) -> Finding:
    try:
        ready = Ready(url)
        await ready.ping()
        await ready.close()
    except (QueueUnavailable, ConfigError) as error:
        return fail(f"Redis cannot be reached: {error}")
    return ok("Redis answers")
