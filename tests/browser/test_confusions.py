"""What the dashboard says must be so: of tenants, of jobs of others, of jobs that wait."""

import re

import asyncpg
import pytest
from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, Dashboard, echoes


async def test_a_mistyped_tenant_is_told_as_unknown(dashboard: Dashboard, server: Server) -> None:
    await server.submit(echoes(1))
    await dashboard.open_live(tenant="tenant-l", status="FAILED")
    await expect(dashboard.part("empty")).to_contain_text("tenant-l is unknown")
    await dashboard.open_live(tenant=TENANT, status="FAILED")
    await expect(dashboard.part("empty")).to_contain_text("No FAILED jobs")


@pytest.mark.parametrize("named", [{}, pytest.param({"tenant": TENANT}, marks=pytest.mark.soak)])
async def test_a_job_opens_with_the_list_of_its_own_tenant(
    dashboard: Dashboard, server: Server, named: dict[str, str]
) -> None:
    await server.submit(echoes(1))
    (job_id,) = await server.submit([{"tenantId": "zebra", "type": "echo", "payload": 1}])
    await dashboard.open_live(**named, job=job_id)
    await expect(dashboard.page).to_have_url(re.compile(r"[?&]tenant=zebra"))
    await expect(dashboard.row(job_id)).to_have_attribute("aria-current", "true")
    await expect(dashboard.part("details-tenant")).to_have_text("zebra")
    await expect(dashboard.part("job-row")).to_have_count(1)


async def test_live_is_not_said_alone_when_due_jobs_wait_and_none_runs(
    dashboard: Dashboard, server: Server, db: asyncpg.Connection
) -> None:
    answer = await server.http.put(f"/tenants/{TENANT}", json={"paused": True})
    assert answer.status_code == 200
    await server.submit(echoes(1))
    await db.execute("UPDATE jobs SET run_at = now() - interval '1 minute'")
    await dashboard.open_live(tenant=TENANT)
    await expect(dashboard.part("connection")).to_contain_text("but no due job runs")
