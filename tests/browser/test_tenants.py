"""The dashboard's tenants: what each has, and the policy of the one that is shown."""

import re
from datetime import UTC, datetime, timedelta

from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, Dashboard, echoes


async def test_a_policy_is_edited_in_place_and_errors_stand_at_the_field(
    dashboard: Dashboard, server: Server
) -> None:
    dashboard.expected.append("status of 422")
    until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    kept = {"weight": {"value": 2.0, "until": until, "then": 0.5}}
    answer = await server.http.put(f"/tenants/{TENANT}", json=kept)
    assert answer.status_code == 200
    kept = answer.json()["policy"]
    await server.submit([*echoes(1), {"tenantId": "acme", "type": "echo", "payload": 1}])
    await dashboard.open_live(tenant=TENANT)
    await dashboard.part("open-policy").click()
    await expect(dashboard.page).to_have_url(re.compile(f"tenant={TENANT}&policy={TENANT}"))
    await expect(dashboard.part("policy-weight")).to_have_value("2")
    await dashboard.part("policy-maxRunning").fill("-1")
    await dashboard.part("policy-save").click()
    await expect(dashboard.part("policy-error-maxRunning")).to_contain_text("greater than")
    await expect(dashboard.part("policy-maxRunning")).to_be_focused()
    await dashboard.part("policy-maxRunning").fill("3")
    await dashboard.part("policy-paused").select_option("true")
    await dashboard.part("policy-until-paused").fill("2001-01-01T00:00:00")
    await dashboard.part("policy-save").click()
    await expect(dashboard.part("policy-error-paused")).to_contain_text("in the past")
    await dashboard.part("policy-until-paused").fill("")
    await dashboard.part("policy-save").click()
    await expect(dashboard.part("policy-saved")).to_have_text("Saved")
    shown = (await server.http.get(f"/tenants/{TENANT}")).json()["policy"]
    assert shown == {**kept, "maxRunning": 3, "paused": True}
    await server.submit(echoes(1))
    row = dashboard.part("job-row").first
    await expect(row).to_have_attribute("data-status", "PENDING")
    await dashboard.part("policy-paused").select_option("")
    await dashboard.part("policy-save").click()
    await expect(row).to_have_attribute("data-status", "COMPLETED")


async def test_many_tenants_come_a_page_at_a_time(dashboard: Dashboard, server: Server) -> None:
    await server.submit(
        [{"tenantId": f"t{number:03}", "type": "echo", "payload": 1} for number in range(60)]
    )
    await dashboard.open_live()
    await expect(dashboard.part("tenant-row")).to_have_count(50)
    await dashboard.part("tenants-next").click()
    await expect(dashboard.part("tenant-row")).to_have_count(10)
    await dashboard.part("tenants-first").click()
    await expect(dashboard.part("tenant-row")).to_have_count(50)
