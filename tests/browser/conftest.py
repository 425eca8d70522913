"""A browser, and the dashboard in it. Any console error, page error or violation of the CSP that a
test does not expect fails it."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from conftest import Server
from playwright.async_api import Browser, async_playwright, expect

from browser.page import Dashboard

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
ARGS += ["--disable-background-networking", "--disable-component-update"]
FACT_TIMEOUT_MS = 20_000


@pytest.fixture
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


@pytest.fixture
async def dashboard(browser: Browser, server: Server) -> AsyncIterator[Dashboard]:
    expect.set_options(timeout=FACT_TIMEOUT_MS)
    page = await browser.new_page()
    page.set_default_timeout(FACT_TIMEOUT_MS)
    dashboard = Dashboard(page, server.url)
    dashboard.listen()
    yield dashboard
    await page.close()
    assert not dashboard.errors
