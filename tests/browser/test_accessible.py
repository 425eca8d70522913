"""Every page, panel and dialog, looked at by axe-core in both themes: nothing serious."""

from typing import Any

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe
from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, Dashboard, sleeps

BAD = ("serious", "critical")


async def findings(dashboard: Dashboard, where: str, options: dict[str, Any]) -> list[Any]:
    """What axe-core calls serious or critical, and where."""
    results = await Axe().run(dashboard.page, options={"resultTypes": ["violations"], **options})
    return [
        (where, found["id"], [node["html"][:200] for node in found["nodes"]][:3])
        for found in results.response["violations"]
        if found["impact"] in BAD
    ]


@pytest.mark.parametrize(
    ("theme", "options"),
    [
        ("light", {}),
        # what else the theme cannot change
        pytest.param("dark", {"runOnly": ["color-contrast"]}, marks=pytest.mark.soak),
    ],
    ids=["light", "dark"],
)
async def test_axe_finds_nothing_serious(
    dashboard: Dashboard,
    server: Server,
    db: asyncpg.Connection,
    theme: Any,
    options: dict[str, Any],
) -> None:
    failing = {"type": "act", "payload": {"do": "raise", "value": "no"}, "maxAttempts": 1}
    await server.submit([*sleeps(0, 60_000), *sleeps(0, delayMs=3_600_000)])
    (failed,) = await server.submit([{"tenantId": TENANT, **failing}])
    await server.job_when(failed, "FAILED")
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, run_at) VALUES ('acme', 'nobodys', 'yesterday')"
    )
    page = dashboard.page
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    found: list[Any] = []
    await dashboard.open_live()
    await expect(dashboard.part("banner")).to_have_count(1)
    await expect(dashboard.part("tenant-row")).to_have_count(2)
    found += await findings(dashboard, "overview", options)
    for part, query in {
        "worker-row": {"view": "workers"},
        "type-new-job": {"view": "types"},
        "policy-save": {"policy": TENANT},
        "job-row": {"tenant": TENANT},
        "details-payload": {"tenant": TENANT, "job": failed},
    }.items():
        await dashboard.open_live(**query)
        await expect(dashboard.part(part).first).to_be_visible()
        found += await findings(dashboard, str(query), options)
    await dashboard.open_form()
    await dashboard.part("new-type").fill("order")
    await dashboard.part("schema-add-lines").click()
    dashboard.expected.append("status of 422")
    await dashboard.part("schema-lines.0.pieces").fill("0")
    await dashboard.part("new-submit").click()
    await expect(dashboard.part("error-payload")).not_to_be_empty()
    found += await findings(dashboard, "form", options)
    await page.keyboard.press("Control+k")
    await page.keyboard.type("go")
    found += await findings(dashboard, "palette", options)
    await page.keyboard.press("Escape")
    await page.locator("h1").click()
    await page.keyboard.press("?")
    await expect(dashboard.part("keys")).to_be_visible()
    found += await findings(dashboard, "keys", options)
    assert found == []
