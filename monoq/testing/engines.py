"""Real engines for tests: one embedded pair, and in it a database for each test."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg
import redis

from monoq import embedded
from monoq.compose.start import package_dir
from monoq.store.migrate import migrate

_numbers = count(1)


@dataclass(frozen=True)
class Engines:
    """Where the PostgreSQL and the Redis of a test answer."""

    database_url: str
    redis_url: str


@contextmanager
def engine_pair() -> Iterator[Engines]:
    """An embedded PostgreSQL, whose database `monoq` has the schema, and an embedded Redis; with
    all their data gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="monoq-test-"))
    try:
        with embedded.engines(folder) as started:
            pair = Engines(started.database_url or "", started.redis_url or "")
            asyncio.run(migrate(pair.database_url, package_dir("migrations")))
            yield pair
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_engines(pair: Engines) -> Iterator[Engines]:
    """A copy of the pair's database, without any job, and its Redis, empty. One at a time."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with redis.Redis.from_url(pair.redis_url) as client:
        client.flushall()
    _administer(pair, f"CREATE DATABASE {name} TEMPLATE monoq")
    try:
        yield Engines(pair.database_url.replace("/monoq?", f"/{name}?"), pair.redis_url)
    finally:
        _administer(pair, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(pair: Engines, statement: str) -> None:
    async def run() -> None:
        # from another database: one that is in use cannot be a template
        connection = await asyncpg.connect(pair.database_url.replace("/monoq?", "/postgres?"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())
