"""The time that is chosen on the overview's chart holds everywhere; the table's order is in the
URL, too."""

import re

from conftest import Server
from playwright.async_api import expect

from browser.page import Dashboard, echoes

RANGE = re.compile(r"\?after=[^&]+%3A00Z&before=[^&]+%3A00Z$")


async def test_a_drag_over_the_chart_chooses_a_time_that_holds_for_the_jobs_too(
    dashboard: Dashboard, server: Server
) -> None:
    await server.submit(echoes(2))
    await dashboard.open_live(view="jobs")
    await dashboard.part("to-overview").click()
    await expect(dashboard.part("chart-peak")).to_contain_text("peak")
    page, mouse = dashboard.page, dashboard.page.mouse
    box = await page.locator("#chart svg").bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    for left in (box["width"] - 3, box["width"] / 2):  # a click, then a drag
        await mouse.move(box["x"] + left, middle)
        await mouse.down()
        await mouse.move(box["x"] + box["width"] - 1, middle)
        await mouse.up()
    await expect(page).to_have_url(RANGE)
    await expect(dashboard.part("chart-span")).to_have_value("range")
    await expect(dashboard.part("chart-peak")).to_contain_text("peak")  # of the history
    await dashboard.part("range-jobs").click()
    await expect(page).to_have_url(re.compile(r"tenant=tenant-1&after=.+&before=.+"))
    await expect(dashboard.part("search")).to_have_value(re.compile("^after:.+ before:.+"))
    await expect(dashboard.part("job-row")).to_have_count(2)
    await dashboard.part("to-overview").click()
    await dashboard.part("range-reset").click()
    await expect(page).to_have_url(re.compile("/$"))
    await expect(dashboard.part("chart-span")).to_have_value("live")


async def test_a_time_is_chosen_by_keyboard_and_what_is_no_time_is_told(
    dashboard: Dashboard, server: Server
) -> None:
    await dashboard.open_live()
    await dashboard.part("chart-span").select_option("range")
    await expect(dashboard.part("range-from")).to_be_focused()
    for first, last in (("2026-01-02T10:00", "2026-01-02T09:00"), ("2020-01-02T09:00", "")):
        dashboard.expected.append("status of 422")
        await dashboard.part("range-from").fill(first)
        await dashboard.part("range-to").fill(last)
        await dashboard.part("range-from").press("Enter")
        await expect(dashboard.part("range-problem")).to_contain_text(
            "From must be before To" if last else "kept for 90 days"
        )
    await dashboard.part("range-reset").click()
    await expect(dashboard.part("range")).to_be_hidden()


async def test_the_order_and_the_search_of_the_tenants_are_in_the_url(
    dashboard: Dashboard, server: Server
) -> None:
    delayed = [{**echoes(1)[0], "delayMs": 3_600_000}]
    for name, jobs in (("acme", 2), ("acorn", 3), ("zebra", 1)):
        await server.submit([{**job, "tenantId": name} for job in delayed * jobs])
    await dashboard.open_live()
    page, links = dashboard.page, dashboard.part("tenant-link")
    await dashboard.part("sort-backlog").click()
    await dashboard.part("sort-backlog").click()
    await dashboard.part("tenant-search").fill("ac")
    await expect(page).to_have_url(re.compile(r"\?sort=backlog&order=reversed&search=ac$"))
    await expect(links).to_have_text(["acme", "acorn"])
    await page.reload()
    await expect(dashboard.part("tenant-search")).to_have_value("ac")
    await expect(links).to_have_text(["acme", "acorn"])
    await links.first.click()
    await expect(page).to_have_url(re.compile(r"\?tenant=acme$"))
    await dashboard.part("to-overview").click()  # as it was looked at
    await expect(page).to_have_url(re.compile(r"search=ac$"))
    await page.go_back()
    await page.go_back()
    await page.go_back()  # one step for the whole search
    await expect(links).to_have_text(["acorn", "acme", "zebra"])
    await expect(page).to_have_url(re.compile(r"\?sort=backlog$"))
