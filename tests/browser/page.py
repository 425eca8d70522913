"""The dashboard's page, as a person sees it, and the jobs that tests show on it."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import ConsoleMessage, Locator, Page, Response, expect

TENANT = "tenant-1"

WATCH_STATUSES = """
window.firstDocument = true;
window.seen = {};
new MutationObserver(() => {
  for (const row of document.querySelectorAll('[data-testid=job-row]')) {
    const seen = window.seen[row.dataset.jobId] ??= [];
    if (seen.at(-1) !== row.dataset.status) seen.push(row.dataset.status);
  }
}).observe(document.body, {subtree: true, childList: true, attributes: true});
"""


@dataclass
class Dashboard:
    """One page, which notes what goes wrong on it."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    # patterns of console errors that belong to the test
    expected: list[str] = field(default_factory=list)

    async def open(self, **query: str) -> None:
        await self.page.goto(f"{self.url}/?{urlencode(query)}" if query else self.url)

    async def open_live(self, **query: str) -> None:
        await self.open(**query)
        await self.is_live()

    async def open_form(self) -> None:
        await self.part("new-job").click()
        await expect(self.part("new-submit")).to_be_visible()

    async def is_live(self) -> None:
        await expect(self.part("connection")).to_contain_text("Live")

    def part(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def row(self, job_id: str) -> Locator:
        return self.page.locator(f"[data-testid=job-row][data-job-id='{job_id}']")

    async def has_status(self, job_id: str, status: str) -> None:
        await expect(self.row(job_id)).to_have_attribute("data-status", status)

    async def count_is(self, status: str, number: int) -> None:
        await expect(self.part(f"count-{status}").locator(".number")).to_have_text(f"{number:,}")

    def listen(self) -> None:
        def console(message: ConsoleMessage) -> None:
            expected = any(re.search(pattern, message.text) for pattern in self.expected)
            if message.type == "error" and not expected:
                self.errors.append(f"{message.text} {message.location}")

        async def response(answer: Response) -> None:
            if answer.status >= 500 and not any(
                re.search(pattern, f"status of {answer.status}") for pattern in self.expected
            ):
                self.errors.append(f"{answer.url}: {await answer.text()}")

        self.page.on("console", console)
        self.page.on("response", response)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))


def sleeps(*delays_ms: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"tenantId": TENANT, "type": "sleep", "payload": {"delayMs": delay_ms}, **more}
        for delay_ms in delays_ms
    ]


def echoes(number: int) -> list[dict[str, Any]]:
    return [
        {"tenantId": TENANT, "type": "echo", "payload": {"number": index}}
        for index in range(number)
    ]
