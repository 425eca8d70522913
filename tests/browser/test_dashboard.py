"""What a person does on the dashboard, against the real server."""

import json
import re

import asyncpg
import pytest
from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, WATCH_STATUSES, Dashboard, echoes, sleeps

HOSTILE = (
    "<img src=x onerror=\"window.hacked = 1; alert('hacked')\"><script>window.hacked = 1</script>"
)


async def test_a_job_created_by_clicking_is_seen_pending_running_and_completed_without_a_reload(
    dashboard: Dashboard,
) -> None:
    await dashboard.open_live(tenant=TENANT)
    await dashboard.page.evaluate(WATCH_STATUSES)
    await dashboard.open_form()
    await expect(dashboard.part("new-type")).to_have_value("sleep")
    assert json.loads(await dashboard.part("new-payload").input_value()) == {"delayMs": 3000}
    await dashboard.part("new-payload").fill('{"delayMs": 500}')
    await dashboard.part("new-delayMs").fill("500")  # so long that it is surely painted as PENDING
    await dashboard.part("new-submit").click()
    await expect(dashboard.part("new-created")).to_contain_text("Created")
    row = dashboard.part("job-row")
    await expect(row).to_have_attribute("data-status", "COMPLETED")
    job_id = await row.get_attribute("data-job-id")
    assert await dashboard.page.evaluate("id => window.seen[id]", job_id) == [
        "PENDING",
        "RUNNING",
        "COMPLETED",
    ]
    assert await dashboard.page.evaluate("window.firstDocument")
    await dashboard.count_is("COMPLETED", 1)
    await dashboard.count_is("RUNNING", 0)
    await expect(dashboard.part("throughput-completed")).to_have_text("1")


async def test_a_waiting_job_is_cancelled_from_its_details_and_retried(
    dashboard: Dashboard, server: Server
) -> None:
    (job_id,) = await server.submit(sleeps(0, delayMs=3_600_000))
    await dashboard.open_live(tenant=TENANT)
    await dashboard.row(job_id).click()
    await expect(dashboard.page).to_have_url(re.compile(rf"[?&]job={job_id}"))
    await expect(dashboard.part("details-status")).to_have_text("PENDING")
    await expect(dashboard.part("retry")).to_be_disabled()
    await dashboard.part("cancel").click()
    await expect(dashboard.part("details-status")).to_have_text("CANCELLED")
    await dashboard.has_status(job_id, "CANCELLED")
    await expect(dashboard.part("cancel")).to_be_disabled()
    await dashboard.part("retry").click()
    await expect(dashboard.part("details-status")).to_have_text("COMPLETED")
    await dashboard.has_status(job_id, "COMPLETED")
    await expect(dashboard.part("retry")).to_be_disabled()
    await expect(dashboard.part("details-timeline")).to_contain_text("Completed")


async def test_the_oldest_waiting_job_has_a_card_that_ages_and_empties(
    dashboard: Dashboard, db: asyncpg.Connection
) -> None:
    waits = (
        "INSERT INTO jobs (tenant_id, type, run_at) "
        "VALUES ($1, 'nobody-runs-this', now() - $2 * interval '1 s')"
    )
    for tenant_id, due_for_s in ((TENANT, 7_300), (TENANT, 5), ("another", 90_000)):
        await db.execute(waits, tenant_id, due_for_s)
    await dashboard.open_live(tenant=TENANT)
    await expect(dashboard.part("oldest-waiting")).to_have_text("2 h")
    await dashboard.open_live(tenant="another")
    await expect(dashboard.part("oldest-waiting")).to_have_text("1 d")
    await db.execute("UPDATE jobs SET run_at = now() WHERE tenant_id = $1", TENANT)
    await dashboard.open_live(tenant=TENANT)
    # it ages without being asked for
    await expect(dashboard.part("oldest-waiting")).to_have_text(re.compile(r"^([1-9]|[1-5]\d) s$"))
    await db.execute(
        "UPDATE jobs SET status = 'CANCELLED', finished_at = now(), changed_xid = "
        "pg_current_xact_id(), version = version + 1"
    )
    await expect(dashboard.part("oldest-waiting")).to_have_text("\N{EN DASH}")


async def test_a_failed_job_tells_of_each_attempt_while_its_details_are_open(
    dashboard: Dashboard, server: Server
) -> None:
    payload = {"do": "raise", "value": "no such mailbox"}
    (job_id,) = await server.submit(
        [{"tenantId": TENANT, "type": "act", "payload": payload, "delayMs": 3_600_000}]
    )
    await dashboard.open_live(tenant=TENANT, job=job_id)
    await expect(dashboard.part("details-status")).to_have_text("PENDING")
    for action in ("cancel", "retry"):  # a retried job is due at once
        answer = await server.http.post(f"/jobs/{job_id}/{action}", json={})
        assert answer.status_code == 200
    await expect(dashboard.part("details-status")).to_have_text("FAILED")
    moments = dashboard.part("details-timeline").locator("li")
    await expect(moments).to_contain_text(
        ["Created", "Attempt 1 failed", "Attempt 2 failed", "Attempt 3 failed", "Failed"]
    )
    await expect(moments.nth(2).locator("pre")).to_contain_text("no such mailbox")
    await expect(dashboard.part("details-attempts")).to_have_text("3 of 3")
    await expect(dashboard.row(job_id)).to_contain_text("no such mailbox")


async def test_hostile_text_is_shown_as_text(dashboard: Dashboard, server: Server) -> None:
    dashboard.expected += ["status of 422", "status of 404"]
    echoed, failed = await server.submit(
        [
            {"tenantId": TENANT, "type": "echo", "payload": {HOSTILE: HOSTILE}},
            {
                "tenantId": TENANT,
                "type": "act",
                "payload": {"do": "raise", "value": HOSTILE},
                "maxAttempts": 1,
            },
        ]
    )
    for job_id in (echoed, failed):
        await server.job_when(job_id, "COMPLETED", "FAILED")
    await dashboard.open_live(tenant=TENANT)
    await expect(dashboard.row(failed)).to_contain_text(HOSTILE)
    await dashboard.row(failed).click()
    await expect(dashboard.part("details-timeline")).to_contain_text(HOSTILE)
    await dashboard.row(echoed).click()
    for part in ("details-payload", "details-result"):
        await expect(dashboard.part(part)).to_contain_text(json.dumps(HOSTILE))
    await dashboard.part("details-close").click()
    await dashboard.open_form()
    await dashboard.part("new-tenant").fill(HOSTILE)
    await dashboard.part("new-type").fill(HOSTILE)
    await dashboard.part("new-submit").click()
    await expect(dashboard.part("error-tenantId")).not_to_be_empty()
    await dashboard.part("search").fill("type:" + json.dumps(HOSTILE))
    await dashboard.part("search").press("Enter")
    await expect(dashboard.part("search-problem")).to_contain_text("type")
    await dashboard.open(tenant=HOSTILE, job=HOSTILE)
    await expect(dashboard.part("tenant-input")).to_have_value(HOSTILE)
    await expect(dashboard.part("notice")).to_contain_text("tenantId")
    await expect(dashboard.part("details-problem")).to_contain_text(HOSTILE)
    await expect(dashboard.part("connection")).to_contain_text("Not live")
    assert await dashboard.page.evaluate("window.hacked") is None
    await expect(dashboard.page.locator("img[onerror], img[src=x]")).to_have_count(0)


async def test_counts_filter_the_list_and_the_url_keeps_the_filter(
    dashboard: Dashboard, server: Server
) -> None:
    done = await server.submit(echoes(3))
    (waiting,) = await server.submit(sleeps(0, delayMs=3_600_000))
    for job_id in done:
        await server.job_when(job_id, "COMPLETED")
    await dashboard.open_live(tenant=TENANT)
    await dashboard.count_is("COMPLETED", 3)
    await dashboard.count_is("PENDING", 1)
    await expect(dashboard.part("job-row")).to_have_count(4)
    await dashboard.part("count-PENDING").click()
    await expect(dashboard.part("job-row")).to_have_count(1)
    await expect(dashboard.page).to_have_url(re.compile("[?&]status=PENDING"))
    await dashboard.page.reload()
    await expect(dashboard.part("count-PENDING")).to_have_attribute("aria-pressed", "true")
    await expect(dashboard.part("job-row")).to_have_count(1)
    await dashboard.has_status(waiting, "PENDING")
    await dashboard.part("count-PENDING").click()  # once more: all
    await expect(dashboard.part("job-row")).to_have_count(4)
    await dashboard.page.go_back()
    await expect(dashboard.part("job-row")).to_have_count(1)


async def test_a_job_whose_status_no_longer_matches_leaves_the_list(
    dashboard: Dashboard, server: Server
) -> None:
    (job_id,) = await server.submit(sleeps(0, delayMs=3_600_000))
    await dashboard.open_live(tenant=TENANT, status="PENDING")
    await dashboard.has_status(job_id, "PENDING")
    answer = await server.http.post(f"/jobs/{job_id}/cancel", json={})
    assert answer.status_code == 200
    await expect(dashboard.row(job_id)).to_have_count(0)
    await expect(dashboard.part("empty")).to_contain_text("No PENDING jobs")
    await dashboard.count_is("CANCELLED", 1)


async def test_what_the_server_refuses_is_shown_at_the_field_it_names(dashboard: Dashboard) -> None:
    dashboard.expected.append("status of 422")
    sent: list[str] = []
    dashboard.page.on(
        "request", lambda request: sent.append(request.method) if request.method == "POST" else None
    )
    await dashboard.open_live(tenant=TENANT)
    await dashboard.open_form()
    await dashboard.part("new-payload").fill('{"delayMs": ')
    await dashboard.part("new-submit").click()
    await expect(dashboard.part("error-payload")).to_contain_text("not JSON")
    assert sent == []
    await dashboard.part("new-payload").fill('{"delayMs": -1}')
    await dashboard.part("new-submit").click()
    await expect(dashboard.part("error-payload")).to_contain_text("delayMs")
    await expect(dashboard.part("new-payload")).to_have_attribute("aria-invalid", "true")
    await dashboard.part("new-payload").fill('{"delayMs": 1}')
    await dashboard.part("new-type").fill("no-such-type")
    await dashboard.part("new-submit").click()
    await expect(dashboard.part("error-type")).to_contain_text("no-such-type")
    await expect(dashboard.part("error-payload")).to_be_empty()
    await dashboard.part("new-type").fill("sleep")
    await dashboard.part("new-maxAttempts").fill("0")
    await dashboard.part("new-submit").click()
    await expect(dashboard.part("error-maxAttempts")).not_to_be_empty()
    await dashboard.part("new-maxAttempts").fill("2")
    await dashboard.part("new-submit").click()
    await expect(dashboard.part("new-created")).to_contain_text("Created")
    await expect(dashboard.part("job-row")).to_have_count(1)


async def test_numbers_are_sent_and_shown_as_they_were_written(dashboard: Dashboard) -> None:
    dashboard.expected.append("status of 400")
    await dashboard.open_live(tenant=TENANT)
    await dashboard.open_form()
    await dashboard.part("new-type").fill("echo")
    # a browser would round it, and then it could be stored
    await dashboard.part("new-payload").fill('{"big": 9007199254740993}')
    await dashboard.part("new-submit").click()
    await expect(dashboard.part("error-form")).to_contain_text("2^53")
    await dashboard.part("new-payload").fill('{"whole": 1.0}')
    await dashboard.part("new-submit").click()
    await dashboard.part("new-created").get_by_role("link").click()
    for part in ("details-payload", "details-result"):
        await expect(dashboard.part(part)).to_contain_text('"whole": 1.0')


async def test_older_jobs_come_with_load_more(dashboard: Dashboard, server: Server) -> None:
    ids = await server.submit(echoes(450))
    await dashboard.open_live(tenant=TENANT)
    for shown in (200, 400):
        await expect(dashboard.part("job-row")).to_have_count(shown)
        await dashboard.part("load-more").click()
    await expect(dashboard.part("job-row")).to_have_count(450)
    await expect(dashboard.part("load-more")).to_be_hidden()
    listed = await dashboard.part("job-row").evaluate_all(
        "rows => rows.map((row) => row.dataset.jobId)"
    )
    assert listed == sorted(ids, reverse=True)


async def test_the_jobs_page_shows_the_first_tenant_known(
    dashboard: Dashboard, server: Server
) -> None:
    await dashboard.open_live(view="jobs")
    await expect(dashboard.page).to_have_url(re.compile(r"[?&]tenant=tenant-1$"))
    (job_id,) = await server.submit([{"tenantId": "acme", "type": "echo", "payload": 1}])
    await server.job_when(job_id, "COMPLETED")
    await dashboard.open_live(view="jobs")
    await expect(dashboard.page).to_have_url(re.compile(r"[?&]tenant=acme$"))
    await dashboard.has_status(job_id, "COMPLETED")


async def test_another_tenant_is_shown_live_and_alone(dashboard: Dashboard, server: Server) -> None:
    (ours,) = await server.submit(echoes(1))
    await dashboard.open_live(tenant=TENANT)
    await dashboard.has_status(ours, "COMPLETED")
    await dashboard.part("tenant-input").click()
    await dashboard.page.keyboard.type("acme")  # in place of what was selected
    await dashboard.page.keyboard.press("Enter")
    await expect(dashboard.page).to_have_url(re.compile(r"[?&]tenant=acme"))
    await expect(dashboard.part("new-tenant")).to_have_value("acme")
    await expect(dashboard.row(ours)).to_have_count(0)
    await dashboard.is_live()
    theirs, ours = await server.submit(
        [{"tenantId": tenant, "type": "echo", "payload": 1} for tenant in ("acme", TENANT)]
    )
    await dashboard.has_status(theirs, "COMPLETED")
    await server.job_when(ours, "COMPLETED")
    await expect(dashboard.part("job-row")).to_have_count(1)


async def test_the_keyboard_opens_and_closes_details_and_a_slash_in_a_field_stays_a_slash(
    dashboard: Dashboard, server: Server
) -> None:
    (job_id,) = await server.submit(echoes(1))
    await dashboard.open_live(tenant=TENANT)
    link = dashboard.row(job_id).get_by_role("link")
    await link.focus()
    await dashboard.page.keyboard.press("Enter")
    await expect(dashboard.part("details")).to_be_visible()
    await expect(dashboard.part("details")).to_be_focused()
    await dashboard.page.keyboard.press("Escape")
    await expect(dashboard.part("details")).to_be_hidden()
    await expect(link).to_be_focused()
    await dashboard.open_form()
    await dashboard.part("new-type").fill("a")
    await dashboard.page.keyboard.type("/b")
    await expect(dashboard.part("new-type")).to_have_value("a/b")


async def test_the_page_fits_a_phone(dashboard: Dashboard, server: Server) -> None:
    (job_id,) = await server.submit(echoes(1))
    await dashboard.page.set_viewport_size({"width": 360, "height": 740})
    await dashboard.open_live(tenant=TENANT)
    await dashboard.has_status(job_id, "COMPLETED")
    await dashboard.part("new-job").click()
    await expect(dashboard.part("new-submit")).to_be_in_viewport()
    await dashboard.page.keyboard.press("Escape")
    await expect(dashboard.part("new-submit")).to_be_hidden()
    await dashboard.row(job_id).click()
    await expect(dashboard.part("details-status")).to_have_text("COMPLETED")
    await dashboard.part("details-close").click()
    await expect(dashboard.part("details")).to_be_hidden()
    assert await dashboard.page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize(
    "width", [1024, *(pytest.param(width, marks=pytest.mark.soak) for width in (1280, 1600))]
)
async def test_the_columns_fit_their_card_and_the_worker_and_error_are_readable(
    dashboard: Dashboard, server: Server, width: int
) -> None:
    (job_id,) = await server.submit(echoes(1))
    await dashboard.page.set_viewport_size({"width": width, "height": 800})
    for query in ({}, {"job": job_id}):
        await dashboard.open_live(tenant=TENANT, **query)
        await dashboard.has_status(job_id, "COMPLETED")
        await expect(dashboard.part("new-job")).to_be_visible()
        card = await dashboard.page.locator("#jobs").bounding_box()
        note = await dashboard.row(job_id).locator(".c-note").bounding_box()
        assert card
        assert note
        assert note["width"] >= 160
        assert note["x"] + note["width"] <= card["x"] + card["width"]
        assert await dashboard.page.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_first_job_is_high_up_on_a_phone(dashboard: Dashboard, server: Server) -> None:
    (job_id,) = await server.submit(echoes(1))
    await dashboard.page.set_viewport_size({"width": 390, "height": 844})
    await dashboard.open_live(tenant=TENANT)
    row = await dashboard.row(job_id).bounding_box()
    assert row
    assert row["y"] < 320
