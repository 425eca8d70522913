"""One browser and one running monoq for all tests of a session; a page in a context of its own, and
empty tables, for each test. Any console error, page error or violation of the CSP that a test does
not expect fails it."""

import os
import shutil
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio
from conftest import FACT_TIMEOUT_S, Server, fresh_database, serving
from playwright.async_api import Browser, async_playwright, expect

from browser.page import Dashboard
from monoq.embedded import Engines

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
ARGS += ["--disable-background-networking", "--disable-component-update"]
FACT_TIMEOUT_MS = 20_000
# Not TRUNCATE, which waits for every reader and for the disk. The lock: a worker that writes the
# same rows in another order would be a deadlock.
EMPTY = """
    BEGIN;
    LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM jobs;
    DELETE FROM job_count_changes;
    DELETE FROM job_counts;
    DELETE FROM job_totals;
    DELETE FROM tenant_counts;
    DELETE FROM operations;
    DELETE FROM policies;
    DELETE FROM policy_changes;
    DELETE FROM rate_states;
    COMMIT
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What tests share lives on one event loop, and so must they; and in one process, or each
    would start a browser."""
    for item in items:
        if "/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium: in CI the dashboard must be tested")
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH")
    async with async_playwright() as playwright:
        # a fresh profile each time
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_database_url(own_engines: Engines) -> AsyncIterator[str]:
    """The database of the session."""
    async with fresh_database(own_engines) as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_server(own_engines: Engines, shared_database_url: str) -> AsyncIterator[Server]:
    """API and worker of the session."""
    redis_url = own_engines.redis_url or ""
    # apart from the keys of other tests in this process, some of which count what is left
    redis_url += ("&" if "?" in redis_url else "?") + "db=1"
    client = redis.asyncio.Redis.from_url(redis_url)
    await client.flushall()
    await client.aclose()
    async with serving(shared_database_url, redis_url) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def db(shared_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the shared database."""
    connection = await asyncpg.connect(shared_database_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def server(shared_server: Server, db: asyncpg.Connection) -> Server:
    """The shared monoq, without jobs and policies."""
    await db.execute(EMPTY, timeout=FACT_TIMEOUT_S)
    return shared_server


@pytest_asyncio.fixture(loop_scope="session")
async def dashboard(browser: Browser, server: Server) -> AsyncIterator[Dashboard]:
    expect.set_options(timeout=FACT_TIMEOUT_MS)
    context = await browser.new_context()
    page = await context.new_page()
    page.set_default_timeout(FACT_TIMEOUT_MS)
    dashboard = Dashboard(page, server.url)
    dashboard.listen()
    yield dashboard
    await context.close()
    assert not dashboard.errors
