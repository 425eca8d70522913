"""Why a job waits, in its details."""

import re

import pytest
from conftest import Server
from playwright.async_api import Route, expect

from browser.page import TENANT, Dashboard, echoes


@pytest.mark.parametrize("status", [200, 404, pytest.param(500, marks=pytest.mark.soak)])
async def test_a_waiting_job_tells_why_where_the_server_can_tell(
    dashboard: Dashboard, server: Server, status: int
) -> None:
    dashboard.expected.append(f"status of {status}")
    message = "the tenant is paused <img src=x onerror=alert(1)>"

    async def explain(route: Route) -> None:
        await route.fulfill(status=status, json={"message": message})

    await dashboard.page.route(re.compile("/explain$"), explain)
    (job_id,) = await server.submit([{**echoes(1)[0], "delayMs": 3_600_000}])
    async with dashboard.page.expect_response(re.compile("/explain$")):
        await dashboard.open_live(tenant=TENANT, job=job_id)
    reason = dashboard.part("details-reason")
    if status == 200:
        await expect(reason).to_have_text(message)
    await dashboard.part("cancel").click()
    await expect(dashboard.part("details-status")).to_have_text("CANCELLED")
    await expect(reason).to_be_hidden()
    await expect(dashboard.part("details-problem")).to_be_empty()


async def test_the_timeline_tells_what_holds_a_job_back_and_never_blames_the_workers(
    dashboard: Dashboard, server: Server
) -> None:
    answer = await server.http.put(f"/tenants/{TENANT}", json={"maxRunning": 0})
    assert answer.status_code == 200
    (job_id,) = await server.submit(echoes(1))
    await dashboard.open_live(tenant=TENANT, job=job_id)
    timeline = dashboard.part("details-timeline")
    await expect(timeline).to_contain_text("Held back by a cap")
    await expect(timeline).to_contain_text("due for")
    await expect(timeline).not_to_contain_text("worker")
    answer = await server.http.put(f"/tenants/{TENANT}", json={})
    await expect(timeline).to_contain_text(
        re.compile(r"Attempt 1 started.*waited \d.*ran \d", re.S)
    )


async def test_a_job_that_a_person_sent_back_says_so(dashboard: Dashboard, server: Server) -> None:
    failing = {"type": "act", "payload": {"do": "raise", "value": "no"}, "maxAttempts": 1}
    (job_id,) = await server.submit([{"tenantId": TENANT, **failing}])
    await server.job_when(job_id, "FAILED")
    await dashboard.open_live(tenant=TENANT, job=job_id)
    await expect(dashboard.part("details-timeline")).not_to_contain_text("Sent back")
    await dashboard.part("retry").click()
    moments = dashboard.part("details-timeline").locator("li")
    await expect(moments).to_contain_text(
        ["Created", "Attempt 1 failed", "Sent back by a person", "Attempt 1 failed", "Failed"]
    )
    await expect(moments.nth(3)).to_contain_text(re.compile(r"ran \d"))


async def test_a_scheduled_job_says_when_it_may_run(dashboard: Dashboard, server: Server) -> None:
    (job_id,) = await server.submit([{**echoes(1)[0], "delayMs": 3_600_000}])
    await dashboard.open_live(tenant=TENANT, job=job_id)
    await expect(dashboard.part("details-reason")).to_contain_text("scheduled")
