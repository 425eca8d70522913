"""The whole dashboard by keyboard alone."""

import re

import pytest
from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, Dashboard, echoes, sleeps


async def do(dashboard: Dashboard, words: str) -> None:
    """Opens the palette, types, takes what comes first."""
    await dashboard.page.keyboard.press("Control+k")
    await expect(dashboard.part("palette-input")).to_be_focused()
    await dashboard.page.keyboard.type(words)
    await expect(dashboard.part("command").first).to_have_attribute("aria-selected", "true")
    await dashboard.page.keyboard.press("Enter")
    await expect(dashboard.part("palette")).to_be_hidden()


async def test_a_walk_without_a_pointer(dashboard: Dashboard, server: Server) -> None:
    (job_id,) = await server.submit(sleeps(0, delayMs=3_600_000))
    page = dashboard.page
    await dashboard.open_live()
    await page.keyboard.press("/")
    await expect(dashboard.part("tenant-search")).to_be_focused()
    await page.keyboard.type(TENANT)
    await expect(dashboard.part("tenant-link")).to_have_count(1)
    for _ in range(5):  # over the headers that sort
        await page.keyboard.press("Tab")
    await expect(dashboard.part("tenant-link")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(f"tenant={TENANT}"))
    await dashboard.row(job_id).get_by_role("link").focus()
    await page.keyboard.press("Enter")
    await expect(dashboard.part("details-status")).to_have_text("PENDING")
    await do(dashboard, "cancel")
    await expect(dashboard.part("details-status")).to_have_text("CANCELLED")
    await do(dashboard, "retry")
    await expect(dashboard.part("details-status")).to_have_text("COMPLETED")
    await do(dashboard, "run again")
    await expect(dashboard.part("new-payload")).to_be_focused()
    await page.keyboard.press("Control+Enter")
    await expect(dashboard.part("new-created")).to_contain_text("Created")
    await page.keyboard.press("Escape")
    await expect(dashboard.part("new-submit")).to_be_hidden()
    await do(dashboard, "show failed")
    await expect(page).to_have_url(re.compile("status=FAILED"))
    await do(dashboard, "limits of")
    await expect(dashboard.part("policy-panel")).to_be_visible()
    await do(dashboard, "go to workers")
    await expect(dashboard.part("worker-row")).to_have_count(1)
    await do(dashboard, "type order")
    await expect(dashboard.part("new-type")).to_have_value("order")
    await do(dashboard, job_id)
    await expect(dashboard.part("details-id")).to_have_text(job_id)


async def test_the_palette_finds_tenants_and_offers_only_what_can_be_done(
    dashboard: Dashboard, server: Server
) -> None:
    await server.submit([{**echoes(1)[0], "tenantId": name} for name in ("acme", "acorn")])
    await dashboard.open_live()
    page = dashboard.page
    await dashboard.part("open-palette").click()
    names = await dashboard.part("command").all_text_contents()
    assert "Go to Workers" in names
    assert not any(name.startswith(("Cancel", "Go to Overview", "Limits")) for name in names)
    await page.keyboard.type("aco")
    await expect(dashboard.part("command")).to_have_text(["Jobs of tenant acorn"])
    await page.keyboard.press("Control+a")
    await page.keyboard.type("ac")
    await expect(dashboard.part("command")).to_contain_text(["tenant acme", "tenant acorn"])
    await page.keyboard.type("\N{SNOWMAN}")
    await expect(dashboard.part("palette")).to_contain_text("Nothing of that name")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/$"))
    await page.keyboard.press("Control+k")
    await page.keyboard.type("go to")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    await expect(dashboard.part("command").nth(1)).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")
    await expect(dashboard.part("workers")).to_be_visible()
    await page.keyboard.press("Control+k")
    await page.keyboard.press("Escape")
    await expect(dashboard.part("palette")).to_be_hidden()


@pytest.mark.parametrize("width", [390, pytest.param(1280, marks=pytest.mark.soak)])
async def test_a_question_mark_lists_the_keys_but_not_while_typing(
    dashboard: Dashboard, width: int
) -> None:
    page = dashboard.page
    await page.set_viewport_size({"width": width, "height": 800})
    await dashboard.open_live()
    await page.keyboard.press("?")
    await expect(dashboard.part("keys")).to_contain_text("everything that can be done")
    await page.keyboard.press("/")
    await expect(dashboard.part("tenant-search")).not_to_be_focused()
    await page.keyboard.press("Escape")
    await expect(dashboard.part("keys")).to_be_hidden()
    await dashboard.part("tenant-search").focus()
    await page.keyboard.press("?")
    await expect(dashboard.part("tenant-search")).to_have_value("?")
    await expect(dashboard.part("keys")).to_be_hidden()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
