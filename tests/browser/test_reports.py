"""What a running job says of itself, in its panel."""

from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, Dashboard


async def test_progress_and_log_of_a_job_are_shown_while_it_runs(
    dashboard: Dashboard, server: Server
) -> None:
    (job_id,) = await server.submit([{"tenantId": TENANT, "type": "reports", "payload": 60}])
    await dashboard.open_live(job=job_id)
    await expect(dashboard.part("details-progress")).to_have_text("40 % · half way")
    log = dashboard.part("details-log").locator("li")
    await expect(log).to_have_count(1)
    await expect(log).to_contain_text('begins {"by":"test"}')
    assert (await server.http.post(f"/jobs/{job_id}/cancel")).status_code == 200

    job = {"tenantId": TENANT, "type": "reports", "payload": 0.7, "delayMs": 700}
    (next_id,) = await server.submit([job])
    await dashboard.open_live(tenant=TENANT)
    await dashboard.row(next_id).click()
    await expect(log).to_have_count(2)
    await expect(log.nth(1)).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(dashboard.part("details-progress")).to_have_text("100 %")


async def test_a_job_that_says_nothing_has_neither(dashboard: Dashboard, server: Server) -> None:
    (job_id,) = await server.submit([{"tenantId": TENANT, "type": "echo", "payload": 1}])
    await dashboard.open_live(job=job_id)
    await expect(dashboard.part("details-result")).to_be_visible()
    await expect(dashboard.part("details-log")).to_be_hidden()
    await expect(dashboard.part("details-progress")).to_be_hidden()
