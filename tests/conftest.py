"""Real engines for every test: started once, with a database of its own for each test, cloned from
a migrated template."""

import asyncio
import inspect
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import redis.asyncio

from monoq.api.server import ApiServer
from monoq.compose import root as composition
from monoq.compose.start import package_dir
from monoq.config import Settings, load_settings
from monoq.embedded import Engines, engines
from monoq.process.service import supervise
from monoq.store.migrate import migrate

# for the handlers that tests serve: --app handlers_for_tests:app
sys.path.insert(0, str(Path(__file__).parent))

FACT_TIMEOUT_S = 20.0  # a fact that does not come true within this never will
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.05  # between two looks at a fact
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several run at once, what takes longest must begin first."""
    items.sort(
        key=lambda item: (
            not ("/browser/" in item.path.as_posix() or item.get_closest_marker("long"))
        )
    )


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> None:
    for name in [name for name in os.environ if name.startswith("MONOQ_")] + [
        "DATABASE_URL",
        "REDIS_URL",
        "PORT",
        "BATCH_SIZE",
    ]:
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def own_engines() -> Iterator[Engines]:
    """PostgreSQL with the migrated template database `monoq`, and Redis."""
    folder = Path(tempfile.mkdtemp(prefix="monoq-test-"))
    with engines(folder) as started:
        assert started.database_url
        asyncio.run(migrate(started.database_url, package_dir("migrations")))
        yield started
    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def fresh_database(own_engines: Engines) -> AsyncIterator[str]:
    """The URL of a migrated database that lives as long as the context."""
    template = own_engines.database_url or ""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    admin = await asyncpg.connect(template.replace("/monoq?", "/postgres?"))
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE monoq")
    yield template.replace("/monoq?", f"/{name}?")
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def database_url(own_engines: Engines) -> AsyncIterator[str]:
    """A fresh, migrated database."""
    async with fresh_database(own_engines) as url:
        yield url


@pytest.fixture
async def redis_url(own_engines: Engines) -> AsyncIterator[str]:
    """An empty Redis."""
    client = redis.asyncio.Redis.from_url(own_engines.redis_url or "")
    await client.flushall()
    yield own_engines.redis_url or ""
    await client.aclose()


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the test's database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    """A client of the test's Redis."""
    client = redis.asyncio.Redis.from_url(redis_url)
    yield client
    await client.aclose()


async def eventually(
    fact: Callable[[], Any], *, timeout: float = FACT_TIMEOUT_S, every: float | None = None
) -> Any:
    """The first true value of `fact`, a function or an async one, asked again and again; fails if
    it does not come. Without `every`, the pauses grow with the wait: a look costs CPU that others
    need."""
    last = None
    began = time.monotonic()
    try:
        async with asyncio.timeout(timeout):
            while True:
                asked = fact()
                if last := await asked if inspect.isawaitable(asked) else asked:
                    return last
                waited = time.monotonic() - began
                pause = min(max(waited / 10, FIRST_PAUSE_S), LONGEST_PAUSE_S)
                await asyncio.sleep(pause if every is None else every)
    except TimeoutError:
        pytest.fail(f"did not come true within {timeout:g} s; last seen: {last!r}")


def http_client(**options: Any) -> httpx.AsyncClient:
    """One that reads no certificates, which takes as long as ten requests, and no environment."""
    return httpx.AsyncClient(verify=False, trust_env=False, **options)


@dataclass
class Server:
    """A running monoq, its HTTP client, and what tests ask of it."""

    url: str
    http: httpx.AsyncClient

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    async def submit(self, jobs: list[dict[str, Any]]) -> list[str]:
        answer = await self.http.post("/jobs/batch", json={"jobs": jobs})
        assert answer.status_code == 201, answer.text
        return list(answer.json()["jobIds"])

    async def job(self, job_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def job_when(self, job_id: str, *statuses: str) -> dict[str, Any]:
        async def reached() -> dict[str, Any] | None:
            job = await self.job(job_id)
            return job if job["status"] in statuses else None

        return dict(await eventually(reached))


@asynccontextmanager
async def serving(database_url: str, redis_url: str, **flags: Any) -> AsyncIterator[Server]:
    """A monoq in this process: the same services as `monoq serve`, without its signals. Fails if
    one of them does not end well."""
    flags = {
        "app": "handlers_for_tests:app",
        "port": 0,
        "shutdown_timeout": 5.0,
        "watchdog": 0.0,
    } | flags
    settings: Settings = load_settings(database_url=database_url, redis_url=redis_url, **flags)
    stop = asyncio.Event()
    async with composition.build(settings, database_url, redis_url) as phases:
        port = next(
            (
                service.port
                for phase in phases
                for service in phase
                if isinstance(service, ApiServer)
            ),
            0,
        )
        supervised = asyncio.create_task(supervise(phases, stop, settings.shutdown_timeout))
        url = f"http://127.0.0.1:{port}"
        try:
            async with http_client(base_url=url, timeout=20) as http:
                yield Server(url, http)
        finally:
            stop.set()
            healthy = await supervised
    assert healthy, "a service did not end well; see the log"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which some handlers write down what they do; it must come before the server."""
    path = tmp_path / "ledger"
    path.touch()
    monkeypatch.setenv("LEDGER", str(path))
    return path


@pytest.fixture
async def server(
    request: pytest.FixtureRequest, database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    """API and worker on a fresh database, with the handlers of the test module's APP; without one,
    of handlers_for_tests."""
    app = getattr(request.module, "APP", "handlers_for_tests:app")
    async with serving(database_url, redis_url, app=app) as running:
        yield running
