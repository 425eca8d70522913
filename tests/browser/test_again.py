"""What a person takes from one job to the next: its payload, its address, a command."""

import asyncio
import json
import re

from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, Dashboard

HOSTILE = {"say": 'it\'s $(touch /tmp/x) `id` \\ "quoted" <b>', "lines": "a\nb", "big": 1.0}


async def test_the_payload_is_edited_and_run_again_as_a_new_job(
    dashboard: Dashboard, server: Server
) -> None:
    job = {"tenantId": TENANT, "type": "echo", "payload": HOSTILE, "priority": 3, "maxAttempts": 2}
    (first,) = await server.submit([job])
    await dashboard.open_live(tenant=TENANT, job=first)
    await dashboard.part("again").click()
    await expect(dashboard.part("new-type")).to_have_value("echo")
    await expect(dashboard.part("new-priority")).to_have_value("3")
    await expect(dashboard.part("new-maxAttempts")).to_have_value("2")
    await expect(dashboard.part("new-original")).to_contain_text(first[:8])
    await dashboard.part("new-tenant").fill("another")
    await expect(dashboard.part("new-original")).to_be_hidden()
    await dashboard.part("new-tenant").fill(TENANT)
    await dashboard.part("new-payload").focus()
    await expect(dashboard.part("new-payload")).to_be_focused()
    text = await dashboard.part("new-payload").input_value()
    assert json.loads(text) == HOSTILE
    assert '"big": 1.0' in text
    await dashboard.part("new-payload").fill(text.replace('"a\\nb"', '"changed"'))
    await dashboard.part("new-submit").click()
    await dashboard.part("new-created").get_by_role("link").click()
    await expect(dashboard.part("details-payload")).to_contain_text('"changed"')
    second = await dashboard.part("details-id").text_content()
    assert second != first
    made = await server.job(second or "")
    assert (made["payload"], made["priority"]) == ({**HOSTILE, "lines": "changed"}, 3)
    assert made["rerunOf"] == first
    assert (await server.job(first))["payload"] == HOSTILE
    await expect(dashboard.part("details-changes")).to_have_text(
        '- lines: "a\\nb"\n+ lines: "changed"', use_inner_text=True
    )
    await dashboard.part("details-rerun-of").get_by_role("link").click()
    await expect(dashboard.part("details-id")).to_have_text(first)
    await expect(dashboard.part("details-changes")).to_be_hidden()
    await dashboard.part("details-reruns").get_by_role("link").click()
    await expect(dashboard.part("details-id")).to_have_text(second or "")
    await expect(dashboard.part("details-reruns")).to_be_hidden()


async def test_a_job_is_copied_as_a_link_and_as_a_command_that_makes_it_again(
    dashboard: Dashboard, server: Server
) -> None:
    (job_id,) = await server.submit([{"tenantId": TENANT, "type": "echo", "payload": HOSTILE}])
    await dashboard.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await dashboard.open_live(tenant=TENANT, job=job_id)
    await expect(dashboard.part("details-status")).to_have_text("COMPLETED")

    async def copied(part: str) -> str:
        await dashboard.part(part).click()
        await expect(dashboard.part("copied")).to_have_text("Copied")
        return str(await dashboard.page.evaluate("navigator.clipboard.readText()"))

    assert await copied("copy-link") == f"{server.url}/?job={job_id}"
    command = await copied("copy-curl")
    # what a shell makes of it, without curl, which a machine may lack
    script = f"for word in {command}; do printf '%s\\0' \"$word\"; done"
    shell = await asyncio.create_subprocess_exec("sh", "-c", script, stdout=asyncio.subprocess.PIPE)
    words = (await shell.communicate())[0].decode().split("\0")
    assert words[:2] == ["curl", f"{server.url}/jobs"]
    assert words[2:5] == ["-H", "Content-Type: application/json", "-d"]
    answer = await server.http.post(
        words[1], content=words[5], headers={"Content-Type": "application/json"}
    )
    again = answer.json()["jobId"]
    assert again != job_id
    assert (await server.job(again))["payload"] == HOSTILE
    await dashboard.page.goto(f"{server.url}/?job={job_id}")
    await expect(dashboard.page).to_have_url(re.compile(f"tenant={TENANT}"))
    await expect(dashboard.row(job_id)).to_have_attribute("aria-current", "true")
