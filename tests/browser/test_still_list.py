"""The list never moves under a hand: a click opens the job that was aimed at."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, Dashboard, echoes
from browser.test_live import FakeServer

AIM_S = 0.5
TURNS = 5
MIDDLE_OF_ROW = """
(index) => {
  const box = document.querySelectorAll('[data-testid=job-row]')[index].getBoundingClientRect();
  return [box.x + 30, box.y + box.height / 2];
}
"""
UNDER_THE_POINTER = "([x, y]) => document.elementFromPoint(x, y).closest('tr')?.dataset.jobId"


@asynccontextmanager
async def new_jobs(fake: FakeServer, first: int, per_s: int) -> AsyncIterator[None]:
    """New jobs come at this rate meanwhile."""

    async def come() -> None:
        number = first
        while per_s:
            fake.send([fake.change(number, 1, "PENDING")])
            number += 1
            await asyncio.sleep(1 / per_s)

    coming = asyncio.create_task(come())
    yield
    if not coming.done():
        coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)


@pytest.mark.parametrize("per_s", [pytest.param(1, marks=pytest.mark.soak), 20])
async def test_every_click_opens_the_job_that_was_aimed_at(
    dashboard: Dashboard, per_s: int
) -> None:
    dashboard.expected.append("status of 404")  # nobody has these jobs but the list
    async with FakeServer.behind(dashboard.page) as fake:
        await dashboard.open_live(tenant=TENANT)
        fake.send([fake.change(number, 1, "PENDING") for number in range(1, 41)])
        await expect(dashboard.part("job-row")).to_have_count(40)
        mouse = dashboard.page.mouse
        hits = 0
        async with new_jobs(fake, 41, per_s):
            for turn in range(TURNS):
                at = await dashboard.page.evaluate(MIDDLE_OF_ROW, turn % 4)
                await mouse.move(*at)
                aimed = await dashboard.page.evaluate(UNDER_THE_POINTER, at)
                await asyncio.sleep(AIM_S)
                await mouse.click(*at)
                assert aimed
                hits += f"job={aimed}" in await dashboard.page.evaluate("location.href")
                await dashboard.page.keyboard.press("Escape")
                await mouse.move(5, 5)
                await dashboard.page.evaluate("document.activeElement.blur()")
        assert hits == TURNS


async def test_new_rows_wait_behind_a_bar_while_changes_within_a_row_go_on(
    dashboard: Dashboard,
) -> None:
    async with FakeServer.behind(dashboard.page) as fake:
        await dashboard.open_live(tenant=TENANT)
        old = fake.change(1, 1, "PENDING")["jobId"]
        fake.send([fake.change(1, 1, "PENDING")])
        await dashboard.row(old).hover()
        fake.send([fake.change(number, 1, "PENDING") for number in range(2, 19)])
        fake.send([fake.change(1, 2, "RUNNING")])
        await expect(dashboard.part("news")).to_have_text("17 new")
        await dashboard.has_status(old, "RUNNING")
        await expect(dashboard.part("job-row")).to_have_count(1)
        await dashboard.part("news").click()
        await expect(dashboard.part("job-row")).to_have_count(18)
        await expect(dashboard.part("news")).to_be_hidden()
        await dashboard.part("job-link").first.focus()
        await dashboard.page.mouse.move(5, 5)
        fake.send([fake.change(19, 1, "PENDING")])
        await expect(dashboard.part("news")).to_have_text("1 new")  # for the focus
        await dashboard.page.evaluate("document.activeElement.blur()")
        await expect(dashboard.part("job-row")).to_have_count(19)


async def test_a_row_that_no_longer_matches_stays_until_the_pointer_leaves(
    dashboard: Dashboard, server: Server
) -> None:
    jobs = [{**job, "delayMs": 3_600_000} for job in echoes(2)]
    first, second = await server.submit(jobs)
    await dashboard.open_live(tenant=TENANT, status="PENDING")
    await dashboard.row(first).hover()
    answer = await server.http.post(f"/jobs/{second}/cancel", json={})
    assert answer.status_code == 200
    await dashboard.has_status(second, "CANCELLED")
    await dashboard.page.mouse.move(5, 5)
    await expect(dashboard.row(second)).to_have_count(0)
    await expect(dashboard.page).to_have_url(re.compile("status=PENDING"))
