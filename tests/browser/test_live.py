"""What the dashboard makes of the stream: lost connections, versions that come late, a thousand
changes a second."""

import asyncio
import json
import re
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from conftest import Server
from playwright.async_api import Page, Route, WebSocketRoute, expect

from browser.page import TENANT, WATCH_STATUSES, Dashboard, echoes, sleeps

NO_SWEEP = """
const every = window.setInterval;
window.setInterval = (work, ms, ...more) => ms >= 10_000 ? 0 : every(work, ms, ...more);
"""  # which would heal the page as well, but later
COUNT_FRAMES = """
window.gaps = [];
window.clicks = [];
(function frame(before) {
  requestAnimationFrame((now) => { window.gaps.push(now - before); frame(now); });
})(performance.now());
addEventListener('click', (event) => {
  // after the next paint
  requestAnimationFrame(() => setTimeout(
    () => window.clicks.push(performance.now() - event.timeStamp)));
}, true);
"""


@dataclass
class Line:
    """The page's way to the server's WebSocket, which can be cut."""

    page: Page
    cut: bool = False
    sockets: list[WebSocketRoute] = field(default_factory=list)
    connected: int = 0

    async def install(self) -> None:
        async def connect(socket: WebSocketRoute) -> None:
            if self.cut:
                await socket.close(code=1013)
                return
            self.connected += 1
            self.sockets.append(socket)
            socket.connect_to_server()

        await self.page.route_web_socket(re.compile("/ws$"), connect)

    async def drop(self, code: int) -> None:
        for socket in self.sockets:
            await socket.close(code=code)
        self.sockets.clear()


@pytest.mark.parametrize(
    "code", [1012, 4000], ids=["a server that restarts", "a connection that breaks"]
)
async def test_the_page_heals_after_a_lost_connection(
    dashboard: Dashboard, server: Server, code: int
) -> None:
    line = Line(dashboard.page)
    await line.install()
    await dashboard.page.add_init_script(NO_SWEEP)
    cancelled, waiting = await server.submit(sleeps(0, 0, delayMs=3_600_000))
    await dashboard.open_live(tenant=TENANT)
    await dashboard.page.evaluate(WATCH_STATUSES)
    await dashboard.has_status(cancelled, "PENDING")
    line.cut = True
    await line.drop(code)
    await expect(dashboard.part("connection")).to_contain_text("Reconnecting")
    numbers = dashboard.part("count-ALL").locator(".number")
    await expect(numbers).to_have_css("opacity", "0.5")  # they are old, and look so
    lists: list[str] = []
    dashboard.page.on(
        "request", lambda request: lists.append(request.url) if "/jobs?" in request.url else None
    )
    # while nobody can tell the page
    answer = await server.http.post(f"/jobs/{cancelled}/cancel", json={})
    assert answer.status_code == 200
    (missed,) = await server.submit(echoes(1))
    await server.job_when(missed, "COMPLETED")
    line.cut = False
    await dashboard.is_live()
    await dashboard.has_status(cancelled, "CANCELLED")
    await dashboard.has_status(missed, "COMPLETED")
    await dashboard.has_status(waiting, "PENDING")
    await dashboard.count_is("CANCELLED", 1)
    (later,) = await server.submit(echoes(1))
    await dashboard.has_status(later, "COMPLETED")
    await expect(numbers).to_have_css("opacity", "1")
    assert not lists, "what was missed comes by the cursor"
    assert line.connected == 2
    assert await dashboard.page.evaluate("window.firstDocument")


async def test_a_page_whose_cursor_is_refused_reads_the_list_anew(
    dashboard: Dashboard, server: Server, db: asyncpg.Connection
) -> None:
    line = Line(dashboard.page)
    await line.install()
    await dashboard.page.add_init_script(NO_SWEEP)
    gone, changed = await server.submit(sleeps(0, 0, delayMs=3_600_000))
    assert (await server.http.post(f"/jobs/{changed}/cancel", json={})).status_code == 200
    await dashboard.open_live(tenant=TENANT, job=changed)
    await dashboard.has_status(changed, "CANCELLED")
    await expect(dashboard.part("details-status")).to_have_text("CANCELLED")
    line.cut = True
    await line.drop(4000)
    await expect(dashboard.part("connection")).to_contain_text("Reconnecting")
    # as in a database put back to what it was before
    await db.execute("DELETE FROM jobs WHERE id::text = $1", gone)
    await db.execute(
        "UPDATE jobs SET status = 'PENDING', version = 1, finished_at = NULL WHERE id::text = $1",
        changed,
    )
    await db.execute("UPDATE stream SET floor = pg_current_xact_id()")
    line.cut = False
    await dashboard.is_live()
    await dashboard.has_status(changed, "PENDING")
    await expect(dashboard.part("details-status")).to_have_text("PENDING")
    await expect(dashboard.row(gone)).to_have_count(0)


async def test_a_page_that_is_offline_says_so_and_heals(
    dashboard: Dashboard, server: Server
) -> None:
    line = Line(dashboard.page)
    await line.install()
    dashboard.expected += ["ERR_INTERNET_DISCONNECTED", "WebSocket connection"]
    await dashboard.open_live(tenant=TENANT)
    line.cut = True
    await dashboard.page.context.set_offline(True)
    await line.drop(4000)
    await expect(dashboard.part("connection")).to_contain_text("Offline")
    (missed,) = await server.submit(echoes(1))
    await server.job_when(missed, "COMPLETED")
    line.cut = False
    await dashboard.page.context.set_offline(False)
    await dashboard.is_live()
    await dashboard.has_status(missed, "COMPLETED")
    await expect(dashboard.part("notice")).to_be_hidden()


class FakeServer:
    """The socket and the list of jobs that nobody runs, so that a test says what comes when."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._socket: WebSocketRoute | None = None
        self._jobs: dict[str, dict[str, Any]] = {}  # newest last

    @classmethod
    @asynccontextmanager
    async def behind(cls, page: Page) -> AsyncIterator["FakeServer"]:
        fake = cls(page)
        await page.route_web_socket(re.compile("/ws$"), fake._connect)
        await page.route(re.compile(r"/jobs\?"), fake._list)
        yield fake
        await page.unroute_all(behavior="ignoreErrors")

    def change(self, number: int, version: int, status: str) -> dict[str, Any]:
        """The change that brings job `number` to this version; versions that are not newer change
        nothing here either."""
        job_id = f"01900000-{number:04x}-7000-8000-{number:012x}"
        update = {
            "tenantId": TENANT,
            "type": "echo",
            "status": status,
            "attempts": min(version - 1, 1),
            "version": version,
            "error": None,
        }
        update |= {"workerId": None, "updatedAt": "2026-01-01T00:00:00.000000Z"}
        if version > self._jobs.get(job_id, {"version": 0})["version"]:
            more = {
                "maxAttempts": 1,
                "priority": 0,
                "progress": None,
                "createdAt": update["updatedAt"],
            }
            self._jobs[job_id] = {
                "id": job_id,
                **update,
                **more,
                "runAt": None,
                "startedAt": None,
                "finishedAt": None,
            }
        return {"jobId": job_id, **update}

    def send(self, updates: list[dict[str, Any]]) -> None:
        assert self._socket
        self._socket.send(json.dumps({"type": "UPDATES", "tenantId": TENANT, "updates": updates}))

    def _connect(self, socket: WebSocketRoute) -> None:
        def hear(message: str | bytes) -> None:
            said = json.loads(message)
            if said["type"] == "SUBSCRIBE" and "tenantId" in said:
                socket.send(json.dumps({"type": "SUBSCRIBED", "tenantId": TENANT}))

        self._socket = socket
        socket.on_message(hear)

    async def _list(self, route: Route) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)

        def wanted(job: dict[str, Any]) -> bool:
            return "status" not in asked or job["status"] in asked["status"]

        found = [job for job in reversed(self._jobs.values()) if wanted(job)][
            : int(asked["limit"][0])
        ]
        more = found[-1]["id"] if len(found) == int(asked["limit"][0]) else None
        await route.fulfill(json={"jobs": found, "nextCursor": more})


async def test_an_older_version_that_comes_late_is_not_shown(dashboard: Dashboard) -> None:
    async with FakeServer.behind(dashboard.page) as fake:
        await dashboard.open_live(tenant=TENANT)
        await dashboard.page.evaluate(WATCH_STATUSES)
        running = fake.change(1, 2, "RUNNING")
        fake.send([fake.change(1, 3, "COMPLETED")])
        await dashboard.has_status(running["jobId"], "COMPLETED")
        fake.send([running, fake.change(2, 1, "PENDING")])
        # so the late one was heard too
        await dashboard.has_status(fake.change(2, 1, "PENDING")["jobId"], "PENDING")
        assert await dashboard.page.evaluate("id => window.seen[id]", running["jobId"]) == [
            "COMPLETED"
        ]


async def test_while_little_happens_no_status_is_skipped_however_fast_the_job(
    dashboard: Dashboard,
) -> None:
    async with FakeServer.behind(dashboard.page) as fake:
        await dashboard.open_live(tenant=TENANT)
        await dashboard.page.evaluate(WATCH_STATUSES)
        statuses = ["PENDING", "RUNNING", "COMPLETED"]
        changes = [fake.change(1, version, status) for version, status in enumerate(statuses, 1)]
        fake.send(changes[:1])
        fake.send(changes[1:])
        await dashboard.has_status(changes[0]["jobId"], "COMPLETED")
        assert (
            await dashboard.page.evaluate("id => window.seen[id]", changes[0]["jobId"]) == statuses
        )


@pytest.mark.alone
async def test_a_thousand_changes_a_second_leave_the_page_responsive(dashboard: Dashboard) -> None:
    # each job changes three times: 1,050 changes a second, for 4 s at least
    frames_per_s, jobs_per_frame, least_frames = 50, 7, 200
    async with FakeServer.behind(dashboard.page) as fake:
        await dashboard.open_live(tenant=TENANT)
        await dashboard.page.evaluate(COUNT_FRAMES)
        clicked = asyncio.Event()

        async def storm() -> str:
            began = asyncio.get_running_loop().time()
            frames = 0
            ages = {1: "PENDING", 2: "RUNNING", 3: "COMPLETED"}  # a job grows older with each frame
            while ages:
                updates = []
                for version, status in ages.items():
                    first = (frames - version + 1) * jobs_per_frame
                    updates += [
                        fake.change(number, version, status)
                        for number in range(first, first + jobs_per_frame)
                        if number >= 0
                    ]
                fake.send(updates)
                frames += 1
                if clicked.is_set() and frames >= least_frames:
                    ages.pop(min(ages))  # no more new jobs; those under way are completed
                # the load's pace
                await asyncio.sleep(
                    began + frames / frames_per_s - asyncio.get_running_loop().time()
                )
            return str(updates[-1]["jobId"])

        storming = asyncio.create_task(storm())
        await expect(dashboard.part("job-row").nth(150)).to_be_visible()
        for status in ("COMPLETED", "RUNNING", "ALL"):
            await dashboard.part(f"count-{status}").click()
            await expect(dashboard.part(f"count-{status}")).to_have_attribute(
                "aria-pressed", "true"
            )
        clicked.set()
        last = await storming
        await dashboard.has_status(last, "COMPLETED")
        await expect(dashboard.part("job-row")).to_have_count(200)
        await expect(
            dashboard.page.locator("[data-testid=job-row]:not([data-status=COMPLETED])")
        ).to_have_count(0)
        gaps = sorted(await dashboard.page.evaluate("window.gaps"))
        clicks = await dashboard.page.evaluate("window.clicks")
    figures = (
        f"clicks {[round(ms) for ms in clicks]} ms; frames: median "
        f"{statistics.median(gaps):.0f} ms, longest {gaps[-1]:.0f} ms"
    )
    assert len(clicks) == 3, figures
    assert max(clicks) < 1000, figures
    assert statistics.median(gaps) < 100, figures
    assert gaps[-1] < 1000, figures
