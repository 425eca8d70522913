"""The page that shows the HTTP API."""

import re

from axe_playwright_python.async_playwright import Axe
from conftest import Server
from playwright.async_api import expect

from browser.page import Dashboard
from monoq.api.catalogue import CALLS


async def test_the_page_of_the_api_shows_every_call_and_schema_and_asks_nobody_else(
    dashboard: Dashboard, server: Server
) -> None:
    page = dashboard.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await dashboard.open_live()
    await dashboard.part("to-docs").click()
    await expect(dashboard.part("call")).to_have_count(len(CALLS))
    document = (await server.http.get("/openapi.json")).json()
    await expect(dashboard.part("schema")).to_have_count(len(document["components"]["schemas"]))
    assert all(url.startswith(server.url) for url in asked), asked
    links = await page.locator("main a").evaluate_all(
        "links => links.filter(({hash}) => !document.getElementById(hash.slice(1))).length"
    )
    assert links == 0, "a reference leads nowhere"

    submit = page.locator("#postJobs")
    await expect(submit).to_contain_text("Idempotency-Key")
    await submit.get_by_role("link", name="JobToCreate").click()
    await expect(page).to_have_url(re.compile("/docs#schema-JobToCreate$"))
    sleep = page.locator("[id='schema-Payload.sleep']")
    await expect(sleep).to_contain_text(re.compile(r"delayMs.*integer, .*required"))

    await dashboard.part("search").fill("retry-after 429 batch")
    await expect(page.locator("[data-testid=call]:visible")).to_have_count(1)
    await dashboard.part("search").fill("no such words")
    await expect(page.get_by_text("Nothing has these words.")).to_be_visible()
    await dashboard.part("search").fill("")
    found = await Axe().run(page, options={"resultTypes": ["violations"]})
    bad = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
    assert bad == []
