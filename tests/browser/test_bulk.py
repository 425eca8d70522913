"""All jobs that the filter matches: cancelled or retried from the list."""

from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, Dashboard, sleeps


async def test_all_waiting_jobs_of_a_type_are_cancelled_after_their_count_was_shown(
    dashboard: Dashboard, server: Server
) -> None:
    await server.submit(sleeps(*[1] * 30, delayMs=3_600_000))
    await server.submit(
        [{"tenantId": TENANT, "type": "echo", "payload": 1, "delayMs": 3_600_000}] * 3
    )
    await dashboard.open_live(tenant=TENANT, status="PENDING", type="sleep")
    await expect(dashboard.part("retry-all")).to_be_hidden()
    await dashboard.part("cancel-all").click()
    await expect(dashboard.part("bulk-text")).to_have_text(
        f"30 PENDING jobs of type sleep of tenant {TENANT}."
    )
    await dashboard.count_is("PENDING", 33)
    await dashboard.part("bulk-begin").click()
    await expect(dashboard.part("bulk-text")).to_have_text("Done: 30 of 30 jobs.")
    await dashboard.part("bulk-close").click()
    await dashboard.count_is("PENDING", 3)
    await dashboard.count_is("CANCELLED", 30)


async def test_all_failed_jobs_are_retried(dashboard: Dashboard, server: Server) -> None:
    job = {"tenantId": TENANT, "type": "act", "payload": {"do": "fail"}, "maxAttempts": 1}
    ids = await server.submit([job] * 5)
    for job_id in ids:
        await server.job_when(job_id, "FAILED")
    await dashboard.open_live(tenant=TENANT)
    await expect(dashboard.part("retry-all")).to_be_hidden()
    await dashboard.part("count-FAILED").click()
    await dashboard.part("retry-all").click()
    await expect(dashboard.part("bulk-text")).to_have_text(f"5 FAILED jobs of tenant {TENANT}.")
    await dashboard.part("bulk-begin").click()
    await expect(dashboard.part("bulk-text")).to_have_text("Done: 5 of 5 jobs.")
    await dashboard.page.keyboard.press("Escape")
    await expect(dashboard.part("bulk")).to_be_hidden()


async def test_where_nothing_matches_nothing_can_begin(
    dashboard: Dashboard, server: Server
) -> None:
    await server.submit(sleeps(1))
    await dashboard.open_live(tenant=TENANT, status="CANCELLED")
    await dashboard.part("retry-all").click()
    await expect(dashboard.part("bulk-text")).to_contain_text("There are no CANCELLED jobs")
    await expect(dashboard.part("bulk-begin")).to_be_disabled()
