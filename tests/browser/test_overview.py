"""The first screen: all tenants together, pushed; and the pages beside it."""

import re

import asyncpg
from conftest import Server, fresh_database, serving
from playwright.async_api import expect
from tables import register

from browser.page import TENANT, Dashboard, echoes, sleeps
from browser.test_live import Line
from monoq.embedded import Engines

WAITING = (
    "INSERT INTO jobs (tenant_id, type, run_at)"
    " SELECT $1, $2, now() - interval '2 h' FROM generate_series(1, $3)"
)


async def test_the_overview_is_the_first_screen_and_follows_all_tenants(
    dashboard: Dashboard, server: Server
) -> None:
    await dashboard.open_live()
    await expect(dashboard.part("card-pending")).to_have_text("0")
    await expect(dashboard.part("card-workers")).to_have_text("1")
    await expect(dashboard.part("card-engines")).to_have_text("well")
    await expect(dashboard.part("card-oldest")).to_have_text("\N{EN DASH}")
    await server.submit(
        [
            *({**job, "tenantId": name} for name in ("acme", "globex") for job in echoes(5)),
            {**sleeps(60_000)[0], "tenantId": "initech"},
            {**sleeps(0)[0], "tenantId": "initech", "delayMs": 3_600_000},
        ]
    )
    await expect(dashboard.part("card-pending")).to_have_text("1")
    await expect(dashboard.part("cards")).to_contain_text("0 due, 1 later")
    await expect(dashboard.part("card-running")).to_have_text("1")
    await expect(dashboard.part("cards")).to_contain_text("1 async")
    await expect(dashboard.part("card-completed")).to_have_text(re.compile(r"^[1-9]"))
    await expect(dashboard.part("chart-peak")).to_contain_text("peak")
    rows = dashboard.part("tenant-row")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(2)).to_contain_text("initech")
    await expect(dashboard.page.locator("#chart .completed")).to_have_attribute(
        "d", re.compile("^M")
    )


async def test_the_chart_is_not_empty_after_a_load_and_tells_what_is_pointed_at(
    dashboard: Dashboard, server: Server
) -> None:
    await dashboard.open_live()
    await server.submit(echoes(20))
    await expect(dashboard.part("chart-peak")).to_contain_text("peak")
    await dashboard.page.reload()
    await expect(dashboard.part("chart-peak")).to_contain_text("peak")
    box = await dashboard.page.locator("#chart svg").bounding_box()
    assert box
    await dashboard.page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 20)
    await expect(dashboard.part("chart-readout")).to_contain_text("completed/s")


async def test_banners_tell_what_nobody_runs_and_go_when_somebody_does(
    dashboard: Dashboard, db: asyncpg.Connection
) -> None:
    await db.execute(WAITING, TENANT, "nobody-does-this", 3)
    await dashboard.open_live(tenant=TENANT)  # on every page
    await expect(dashboard.part("banner")).to_have_text(
        "No live worker has a handler for type nobody-does-this: 3 jobs wait."
    )
    worker = await register(db, "nobody-does-this")
    await expect(dashboard.part("banner")).to_have_count(0)
    await db.execute("DELETE FROM workers WHERE id = $1", worker)
    await expect(dashboard.part("banner")).to_have_count(1)
    await dashboard.part("to-overview").click()
    await expect(dashboard.part("card-oldest")).to_have_text("2 h")


async def test_a_banner_names_an_endpoint_of_webhooks_that_is_dead(
    dashboard: Dashboard, server: Server, db: asyncpg.Connection
) -> None:
    await db.execute(
        "INSERT INTO breakers (endpoint, worker_id, state, since, reason, next_probe_at)"
        " SELECT 'https://dead.example:443', id, 'open', now(), 'no answer for 3.1 s', now()"
        " FROM workers WHERE expires_at > now() LIMIT 1"
    )
    await dashboard.open_live()
    await expect(dashboard.part("banner")).to_contain_text("Webhooks to https://dead.example:443")
    await expect(dashboard.part("banner")).to_contain_text("no answer for 3.1 s")
    await db.execute("DELETE FROM breakers")


async def test_without_a_live_worker_a_banner_says_so(
    dashboard: Dashboard, own_engines: Engines
) -> None:
    async with (
        fresh_database(own_engines) as database_url,
        serving(database_url, own_engines.redis_url or "", role="api") as server,
    ):
        dashboard.url = server.url
        await dashboard.open_live()
        await expect(dashboard.part("banner")).to_have_text("No live worker: nothing runs.")
        await expect(dashboard.part("card-workers")).to_have_text("0")
        await server.submit(echoes(2))
        await expect(dashboard.part("banner")).to_contain_text("and 2 jobs are due")
        await dashboard.part("to-workers").click()
        await expect(dashboard.part("workers-empty")).to_contain_text("No live worker")
        await dashboard.page.goto("about:blank")


async def test_tenants_are_searched_ranked_and_told_what_holds_them(
    dashboard: Dashboard, server: Server, db: asyncpg.Connection
) -> None:
    for name, policy in (("acme", {"maxRunning": 0}), ("acorn", {"paused": True})):
        assert (await server.http.put(f"/tenants/{name}", json=policy)).status_code == 200
    for name, jobs in (("acme", 2), ("acorn", 3), ("zebra", 1)):
        await db.execute(WAITING, name, "echo" if name != "zebra" else "nobody-does-this", jobs)
    await dashboard.open_live()
    rows, links = dashboard.part("tenant-row"), dashboard.part("tenant-link")
    await expect(links).to_have_text(["acme", "acorn", "zebra"])
    await expect(rows.nth(0)).to_contain_text("0 of 0")
    await expect(rows.nth(0)).to_contain_text("Held by its cap")
    await expect(rows.nth(1)).to_contain_text("Paused")
    await expect(rows.nth(2)).to_contain_text("2 h")
    await dashboard.part("sort-backlog").click()
    await expect(links).to_have_text(["acorn", "acme", "zebra"])
    await dashboard.part("sort-tenant").click()
    await dashboard.part("sort-tenant").click()
    await expect(links).to_have_text(["zebra", "acorn", "acme"])
    await dashboard.part("sort-backlog").click()
    await dashboard.page.keyboard.press("/")
    await dashboard.page.keyboard.type("ac")
    await expect(links).to_have_text(["acorn", "acme"])
    await dashboard.part("tenant-search").fill("nobody")
    await expect(dashboard.part("tenants-empty")).to_contain_text("begins with nobody")
    await dashboard.part("tenant-search").fill("")
    await expect(rows).to_have_count(3)
    await rows.nth(0).get_by_role("button").click()
    await expect(dashboard.page).to_have_url(re.compile(r"\?policy=acorn&sort=backlog$"))
    await expect(dashboard.part("policy-paused")).to_have_value("true")
    await dashboard.part("policy-paused").select_option("")
    await dashboard.part("policy-save").click()
    await expect(dashboard.part("policy-saved")).to_have_text("Saved")
    paused = dashboard.part("all-tenants").get_by_text("Paused")
    await expect(paused).to_have_count(0)
    await dashboard.page.keyboard.press("Escape")
    await expect(dashboard.part("policy-panel")).to_be_hidden()


async def test_pages_are_links_and_back_and_forward_lead_between_them(
    dashboard: Dashboard, server: Server
) -> None:
    (job_id,) = await server.submit(echoes(1))
    await dashboard.open_live()
    page = dashboard.page
    await dashboard.part("tenant-link").click()
    await expect(page).to_have_url(re.compile(rf"/\?tenant={TENANT}$"))
    await dashboard.has_status(job_id, "COMPLETED")
    await expect(page).to_have_title(f"{TENANT} · monoq")
    await dashboard.part("count-COMPLETED").click()
    await dashboard.row(job_id).click()
    await expect(dashboard.part("details")).to_be_visible()
    deep = page.url
    await dashboard.part("to-workers").click()
    await expect(page).to_have_url(re.compile(r"/\?view=workers$"))
    await expect(dashboard.part("worker-row")).to_have_count(1)
    await expect(dashboard.part("details")).to_be_hidden()
    await page.go_back()
    await expect(page).to_have_url(deep)
    await expect(dashboard.part("details-status")).to_have_text("COMPLETED")
    await expect(dashboard.part("count-COMPLETED")).to_have_attribute("aria-pressed", "true")
    await page.go_forward()
    await expect(dashboard.part("workers")).to_be_visible()
    await dashboard.part("to-jobs").click()  # of the tenant that was shown last
    await expect(page).to_have_url(re.compile(rf"/\?tenant={TENANT}$"))
    for address, part in (("?view=types", "all-types"), ("?view=nothing", "cards")):
        await page.goto(f"{dashboard.url}/{address}")
        await expect(dashboard.part(part)).to_be_visible()


async def test_workers_and_types_tell_what_runs(dashboard: Dashboard, server: Server) -> None:
    await server.submit([*sleeps(60_000, 60_000), *echoes(3)])
    await dashboard.open_live(view="workers")
    worker = dashboard.part("worker-row")
    await expect(worker).to_contain_text("sleep \N{MULTIPLICATION SIGN} 2")
    await expect(worker).to_contain_text("2 of 2,000")
    await dashboard.part("to-types").click()
    row = dashboard.part("type-row").filter(has=dashboard.page.get_by_text("sleep", exact=True))
    await expect(row.locator("[data-name=running]")).to_have_text("2")
    await row.get_by_role("button").click()
    await expect(dashboard.part("new-type")).to_have_value("sleep")
    assert "delayMs" in await dashboard.part("new-payload").input_value()


async def test_a_worker_is_drained_after_a_confirmation_and_brought_back(
    dashboard: Dashboard, server: Server, db: asyncpg.Connection
) -> None:
    await server.submit(sleeps(60_000))
    await dashboard.open_live(view="workers")
    row, button = dashboard.part("worker-row"), dashboard.part("worker-drain")
    await expect(row).to_contain_text("sleep \N{MULTIPLICATION SIGN} 1")
    await button.click()
    await expect(dashboard.part("drain-text")).to_contain_text("its running jobs (1 now) go on")
    await dashboard.part("drain-close").click()
    assert not await db.fetchval("SELECT bool_or(draining) FROM workers")
    await button.click()
    await dashboard.part("drain-begin").click()
    await expect(row).to_contain_text("Draining: sleep \N{MULTIPLICATION SIGN} 1")
    await expect(button).to_have_text("Resume")
    await expect(button).to_be_focused()
    await dashboard.part("to-overview").click()
    await expect(dashboard.part("banner")).to_have_text(
        "All live workers are draining: nothing is started."
    )
    await dashboard.part("to-workers").click()
    await button.click()
    await dashboard.part("drain-begin").click()
    await expect(button).to_have_text("Drain")
    assert not await db.fetchval("SELECT bool_or(draining) FROM workers")


async def test_hostile_names_of_workers_are_shown_as_text(
    dashboard: Dashboard, db: asyncpg.Connection
) -> None:
    hostile = '<img src=x onerror="window.hacked = 1">'
    worker = await register(db, "nobody-does-this")
    await db.execute("UPDATE workers SET name = $1, version = $1 WHERE id = $2", hostile, worker)
    await dashboard.open_live(view="workers")
    await expect(dashboard.part("workers")).to_contain_text(hostile)
    await db.execute("DELETE FROM workers WHERE id = $1", worker)
    await expect(dashboard.part("worker-row")).to_have_count(1)
    assert await dashboard.page.evaluate("window.hacked") is None


async def test_the_overview_dims_while_the_connection_is_lost_and_heals(
    dashboard: Dashboard, server: Server
) -> None:
    line = Line(dashboard.page)
    await line.install()
    await dashboard.open_live()
    await expect(dashboard.part("card-pending")).to_have_text("0")
    line.cut = True
    await line.drop(1012)
    await expect(dashboard.part("connection")).to_contain_text("Reconnecting")
    await expect(dashboard.part("card-pending")).to_have_css("opacity", "0.5")
    await server.submit(sleeps(0, 0, delayMs=3_600_000))
    line.cut = False
    await dashboard.is_live()
    await expect(dashboard.part("card-pending")).to_have_text("2")
    await expect(dashboard.part("card-pending")).to_have_css("opacity", "1")
    assert line.connected == 2


async def test_an_open_panel_covers_no_button_of_the_bar(
    dashboard: Dashboard, server: Server
) -> None:
    (job_id,) = await server.submit(echoes(1))
    for width in (390, 800, 1024):
        await dashboard.page.set_viewport_size({"width": width, "height": 800})
        await dashboard.open_live(tenant=TENANT, job=job_id)
        await expect(dashboard.part("details-status")).to_have_text("COMPLETED")
        for part in ("new-job", "to-overview", "to-types", "tenant-input"):
            await dashboard.part(part).click(trial=True)


async def test_the_chart_shows_what_happened_before_the_page_was_opened(
    dashboard: Dashboard, server: Server, db: asyncpg.Connection
) -> None:
    await db.execute(
        "INSERT INTO job_history (at, step, submitted, completed, failed, cancelled, retried,"
        " waiting_change, running_change, waiting, running, tenant_id, type, waits, runs)"
        " VALUES (date_bin('1 hour', now(), 'epoch') - interval '2 h', 3600, 7200, 7200, 0, 0, 0,"
        " 0, 0, 0, 0, '', '', '{}', '{}')"
    )
    await dashboard.open_live()
    await dashboard.part("chart-span").select_option("week")
    await expect(dashboard.part("chart-peak")).to_have_text("peak 2.0/s")
    await expect(dashboard.page.locator("#chart .axis")).to_contain_text("7 d ago")
    await dashboard.part("chart-span").select_option("live")
    await expect(dashboard.page.locator("#chart .axis")).to_contain_text("5 min ago")
    await db.execute("DELETE FROM job_history")
