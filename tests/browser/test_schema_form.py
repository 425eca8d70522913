"""The payload as a form that is made from the schema of its type."""

import json
from typing import Any

from conftest import Server
from playwright.async_api import expect

from browser.page import TENANT, Dashboard


async def payload_of(dashboard: Dashboard) -> Any:
    return json.loads(await dashboard.part("new-payload").input_value())


async def submitted(dashboard: Dashboard, server: Server) -> dict[str, Any]:
    await dashboard.part("new-submit").click()
    await dashboard.part("new-created").get_by_role("link").click()
    job_id = await dashboard.part("details-id").text_content()
    return await server.job_when(job_id or "", "COMPLETED", "FAILED")


async def test_fields_for_nested_objects_arrays_choices_and_times_make_the_payload(
    dashboard: Dashboard, server: Server
) -> None:
    await dashboard.open_live(tenant=TENANT)
    await dashboard.open_form()
    await dashboard.part("new-type").fill("order")
    await dashboard.part("schema-to.city").fill("Oslo")
    await expect(dashboard.part("schema-speed")).to_contain_text("default: slow")
    await dashboard.part("schema-speed").select_option("fast")
    await dashboard.part("schema-gift").select_option("true")
    await dashboard.part("schema-by").fill("2031-05-06T07:08:09")
    await dashboard.part("schema-discount").fill("0.50")
    for place, sku in enumerate(("a", "b", "c")):
        await dashboard.part("schema-add-lines").click()
        await dashboard.part(f"schema-lines.{place}.sku").fill(sku)
    usual = dashboard.part("schema-lines.2.pieces")
    await expect(usual).to_have_attribute("placeholder", "default: 1")
    await usual.fill("7")
    await dashboard.page.get_by_role("button", name="Remove lines 2").click()
    await dashboard.part("schema-toggle-return_to").click()
    await dashboard.part("schema-return_to.city").fill("Bergen")
    await dashboard.part("schema-more").fill('{"k": [1, 2.0]}')
    written = await payload_of(dashboard)
    when = written.pop("by")
    assert when.endswith("Z")
    assert written == {
        "to": {"city": "Oslo"},
        "lines": [{"sku": "a"}, {"sku": "c", "pieces": 7}],
        "speed": "fast",
        "gift": True,
        "discount": 0.5,
        "return_to": {"city": "Bergen"},
        "more": {"k": [1, 2]},
    }
    text = await dashboard.part("new-payload").input_value()
    assert '"discount": 0.50' in text, "as it was written"
    job = await submitted(dashboard, server)
    assert job["result"]["return_to"]["city"] == "Bergen"
    assert job["result"]["lines"][1] == {"sku": "c", "pieces": 7}


async def test_json_and_fields_follow_one_another_and_nothing_is_lost(
    dashboard: Dashboard, server: Server
) -> None:
    await dashboard.open_live(tenant=TENANT)
    await dashboard.open_form()
    await dashboard.part("new-type").fill("order")
    fields = dashboard.part("schema-fields")
    await dashboard.part("new-payload").fill(
        '{"to": {"city": "Oslo", "zip": null}, "unknown": {"kept": 1.0}, "lines": [{"sku": "x"}]}'
    )
    await expect(dashboard.part("schema-to.city")).to_have_value("Oslo")
    await expect(dashboard.part("schema-lines.0.sku")).to_have_value("x")
    await dashboard.part("schema-to.city").fill("Rome")
    assert await payload_of(dashboard) == {
        "to": {"city": "Rome", "zip": None},
        "unknown": {"kept": 1.0},
        "lines": [{"sku": "x"}],
    }
    assert '"kept": 1.0' in await dashboard.part("new-payload").input_value()
    for other in ('{"to": ', '{"to": "a string"}', "[1]", '{"speed": "none"}'):
        await dashboard.part("new-payload").fill(other)
        await expect(fields).to_be_hidden()
        assert await dashboard.part("new-payload").input_value() == other
    await expect(dashboard.part("schema-hint")).to_contain_text("another shape")
    await dashboard.part("new-type").fill("echo")  # which takes anything
    await expect(dashboard.part("schema-hint")).to_be_empty()
    await expect(fields).to_be_hidden()


async def test_what_the_server_refuses_stands_at_the_field_of_the_form(
    dashboard: Dashboard,
) -> None:
    dashboard.expected.append("status of 422")
    await dashboard.open_live(tenant=TENANT)
    await dashboard.open_form()
    await dashboard.part("new-type").fill("order")
    await dashboard.part("schema-add-lines").click()
    await dashboard.part("schema-lines.0.pieces").fill("0")
    await dashboard.part("new-submit").click()
    error = dashboard.page.locator("[data-error-at='lines.0.pieces']")
    await expect(error).to_contain_text("greater than or equal to 1")
    await expect(dashboard.part("schema-lines.0.pieces")).to_have_attribute("aria-invalid", "true")
    await dashboard.part("schema-lines.0.pieces").fill("1")
    await dashboard.part("new-submit").click()
    await expect(dashboard.part("new-created")).to_contain_text("Created")
    await expect(error).to_be_empty()
