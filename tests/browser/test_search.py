"""The list's search, and views that are kept: what is typed is the filter, and the filter is the
URL."""

import re

from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, Dashboard, echoes, sleeps


def tagged(number: int, **more: object) -> list[dict[str, object]]:
    tags = {"order": str(number), "customer": "acme inc"}
    return [{"tenantId": TENANT, "type": "echo", "payload": 1, "tags": tags, **more}]


async def test_the_search_goes_on_by_keyboard_with_what_is_seen_in_the_list(
    dashboard: Dashboard, server: Server
) -> None:
    (wanted,) = await server.submit(tagged(17))
    await server.submit([*tagged(18), *sleeps(0)])
    await dashboard.open_live(tenant=TENANT)
    await expect(dashboard.part("job-row")).to_have_count(3)
    page, search = dashboard.page, dashboard.part("search")
    await page.keyboard.press("/")
    await expect(search).to_be_focused()
    await page.keyboard.type("tag:ord")
    await expect(dashboard.part("completion").first).to_contain_text("tag:order=")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.keyboard.type("7")
    await expect(search).to_have_attribute("aria-expanded", "true")
    await page.keyboard.press("ArrowDown")
    await expect(search).to_have_attribute("aria-activedescendant", "completion-0")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"tag=order%3A17$"))
    await expect(dashboard.part("job-row")).to_have_count(1)
    await dashboard.has_status(wanted, "COMPLETED")
    await page.keyboard.type("typ")  # a further condition
    await page.keyboard.press("Escape")
    await expect(dashboard.part("completion")).to_have_count(0)
    await expect(search).to_have_value("tag:order=17 typ")
    await page.keyboard.press("Escape")
    await expect(search).to_have_value("tag:order=17")
    await page.reload()
    await expect(search).to_have_value("tag:order=17")
    await expect(dashboard.part("job-row")).to_have_count(1)
    (later,) = await server.submit(tagged(17))  # no update tells of tags
    await dashboard.has_status(later, "COMPLETED")
    await server.submit(tagged(18))
    await dashboard.part("search-clear").click()
    await expect(dashboard.part("job-row")).to_have_count(5)


async def test_an_error_a_time_and_a_status_are_searched_and_what_cannot_be_is_told_at_the_box(
    dashboard: Dashboard, server: Server
) -> None:
    failing = {"tenantId": TENANT, "type": "act", "maxAttempts": 1}
    ids = await server.submit(
        [{**failing, "payload": {"do": "raise", "value": value}} for value in ("lost it", "late")]
    )
    for job_id in ids:
        await server.job_when(job_id, "FAILED")
    dashboard.expected.append("status of 422")
    await dashboard.open_live(tenant=TENANT)
    search, problem = dashboard.part("search"), dashboard.part("search-problem")
    await search.fill("lost 25:00")
    await search.press("Enter")
    await expect(problem).to_contain_text("type:lost or error:lost")
    await expect(search).to_have_attribute("aria-invalid", "true")
    await search.fill("constructor:1")  # a name that every object has
    await search.press("Enter")
    await expect(problem).to_contain_text("constructor:1: say of what")
    await search.fill("after:yesterday")
    await search.press("Enter")
    await expect(problem).to_contain_text("after: is a time like 2h")
    await expect(dashboard.part("job-row")).to_have_count(2)
    await search.fill('after:2h error:"RuntimeError: lost it"')
    await search.press("Enter")
    await expect(dashboard.page).to_have_url(re.compile("error=RuntimeError%3A\\+lost.it&after=2h"))
    await dashboard.has_status(ids[0], "FAILED")
    await expect(dashboard.part("job-row")).to_have_count(1)
    await dashboard.part("retry-all").click()  # of these alone
    await expect(dashboard.part("bulk-text")).to_contain_text("1 FAILED or CANCELLED jobs")
    await expect(dashboard.part("bulk-text")).to_contain_text("begins with “RuntimeError: lost it”")
    await dashboard.page.keyboard.press("Escape")
    await dashboard.part("count-COMPLETED").click()
    await expect(search).to_have_value(re.compile("^status:completed error:"))
    await expect(problem).to_contain_text("only FAILED and CANCELLED jobs")
    await dashboard.part("count-FAILED").click()
    await expect(problem).to_be_empty()
    await search.fill("before:2h")
    await search.press("Enter")
    await expect(dashboard.part("empty")).to_contain_text("match the search")
    await search.fill(ids[1])  # pasted
    await search.press("Enter")
    await expect(dashboard.part("details-id")).to_have_text(ids[1])


async def test_a_view_is_saved_opened_by_the_palette_and_deleted(
    dashboard: Dashboard, server: Server
) -> None:
    await server.submit(echoes(1))
    (job_id,) = await server.submit(tagged(17, tenantId="globex", delayMs=3_600_000))
    await dashboard.open_live(tenant=TENANT, status="PENDING", tag="order:17")
    page = dashboard.page
    await dashboard.part("open-views").click()
    await expect(dashboard.part("view-what")).to_contain_text("status:pending tag:order=17")
    await dashboard.part("view-own").uncheck()  # of whichever tenant is shown
    await dashboard.part("view-name").fill("Order 17 waits")
    await dashboard.part("view-save").click()
    await expect(dashboard.part("view-link")).to_have_text(["Order 17 waits"])
    await dashboard.part("views-close").click()
    await dashboard.open_live(tenant="globex")
    await page.keyboard.press("Control+k")
    await page.keyboard.type("view order")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("tenant=globex&status=PENDING&tag=order%3A17$"))
    await dashboard.has_status(job_id, "PENDING")
    await dashboard.part("open-views").click()
    await dashboard.part("view-delete").click()
    await expect(dashboard.part("view")).to_have_count(0)
    assert await page.evaluate("localStorage.getItem('monoq.views')") == "[]"
