"""APIs and workers die, stop and start behind nginx, under load: what a client is owed."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
import websockets
from conftest import eventually

from proxy.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="module")
PACE_S = 0.08  # between an answer and the next request of a client


class Load:
    """Clients that read, and submit with a key each. What fails is noted, and submitted again with
    the same key."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.acknowledged: dict[str, str] = {}  # by key
        self.reads = self.sent = 0
        self.failed: list[str] = []
        self.slowest_s = 0.0
        self._stop = False

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response | None:
        self.sent += 1
        began = time.monotonic()
        try:
            answer = await self.site.http.request(method, path, **request)
        except httpx.HTTPError as error:
            self.failed.append(f"{method} {error!r}")
            return None
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        if answer.status_code >= 300:
            self.failed.append(f"{method} {answer.status_code}")
            return None
        return answer

    async def _submit(self) -> None:
        while not self._stop:
            key = str(uuid4())
            job = {"tenantId": "acme", "type": "work", "payload": {"ms": 20}}
            while (  # noqa: ASYNC110
                answer := await self._ask(
                    "POST", "/jobs", json=job, headers={"Idempotency-Key": key}
                )
            ) is None:
                await asyncio.sleep(0.05)  # before it is sent again
            self.acknowledged[key] = answer.json()["jobId"]
            await asyncio.sleep(PACE_S)

    async def _read(self) -> None:
        while not self._stop:
            path = (
                f"/jobs/{next(reversed(self.acknowledged.values()))}"
                if self.acknowledged
                else "/stats?tenantId=acme"
            )
            self.reads += await self._ask("GET", path) is not None
            await asyncio.sleep(PACE_S)

    async def more(self, count: int) -> None:
        """Until so many more jobs are acknowledged."""
        goal = len(self.acknowledged) + count
        await eventually(lambda: len(self.acknowledged) >= goal, timeout=60)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        async with asyncio.TaskGroup() as clients:
            for _ in range(4):
                clients.create_task(self._submit())
                clients.create_task(self._read())
            try:
                yield self
            finally:
                self._stop = True

    async def all_done(self) -> None:
        """Every acknowledged job is COMPLETED, and each key made one job."""
        await self.site.inside.all_ended()
        sql = (
            "SELECT id::text, status::text, idempotency_key FROM jobs "
            "WHERE idempotency_key = ANY ($1::text[])"
        )
        rows = await self.site.inside.fetch(sql, list(self.acknowledged))
        assert {row["idempotency_key"]: row["id"] for row in rows} == self.acknowledged
        assert len(rows) == len(self.acknowledged)
        assert {row["status"] for row in rows} == {"COMPLETED"}


class Viewer:
    """A socket that comes back when it is closed, as the dashboard's does. Notes for how long it
    was away, and why."""

    def __init__(self, site: Site) -> None:
        self.codes: list[int | None] = []
        self.away_s: list[float] = []
        self.heard = 0
        self._url = site.ws_url

    async def watch(self) -> None:
        left = time.monotonic()
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException):
                async with websockets.connect(self._url, open_timeout=5) as socket:
                    await socket.send(json.dumps({"type": "SUBSCRIBE", "tenantId": "acme"}))
                    await socket.send(json.dumps({"type": "?"}))
                    while json.loads(await socket.recv()).get("type") != "ERROR":
                        pass  # the subscription holds from here on
                    self.away_s.append(time.monotonic() - left)
                    with contextlib.suppress(websockets.ConnectionClosed):
                        async for _ in socket:
                            self.heard += 1
                    self.codes.append(socket.close_code)
                    left = time.monotonic()
            await asyncio.sleep(0.1)  # before it comes back


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.soak)])
async def test_a_killed_api_costs_no_answered_job_and_no_read(site: Site, kills: int) -> None:
    victim = site.apis[0]
    async with Load(site).running() as load:
        for _ in range(kills):
            await load.more(40)
            victim.kill()
            await load.more(40)
            victim.start()
            await site.inside.is_up(victim)
    await load.all_done()
    assert not [failure for failure in load.failed if failure.startswith("GET")], load.failed
    # under way when it died: only the client can know that sending it again is safe
    assert set(load.failed) <= {"POST 502"}
    print(
        f"{kills} kills: {len(load.acknowledged)} jobs, {load.reads} reads; answers 502: "
        f"{len(load.failed)}; slowest {load.slowest_s:.2f} s"
    )


async def test_a_post_that_may_have_arrived_is_not_sent_again(site: Site) -> None:
    victim = site.apis[1]
    victim.send(signal.SIGTERM)
    await asyncio.to_thread(victim.process.wait, 15)
    victim.env["MONOQ_FAILPOINT"] = "after_insert:kill9"
    victim.start()
    await site.inside.is_up(victim)
    statuses: list[int] = []
    while victim.alive:
        job = {"tenantId": "once", "type": "work"}
        statuses += [(await site.http.post("/jobs", json=job)).status_code]
    assert statuses.count(502) == 1
    assert set(statuses) <= {201, 502}
    assert await site.inside.value("SELECT count(*) FROM jobs WHERE tenant_id = 'once'") == len(
        statuses
    )
    del victim.env["MONOQ_FAILPOINT"]
    victim.start()
    await site.inside.is_up(victim)


async def test_scaling_down_and_rolling_restarts_fail_no_request_and_bring_every_socket_back(
    site: Site,
) -> None:
    viewers = [Viewer(site) for _ in range(20)]
    watching = [asyncio.create_task(viewer.watch()) for viewer in viewers]
    await eventually(lambda: all(viewer.away_s for viewer in viewers))
    before = len(site.log())
    began = time.monotonic()
    async with Load(site).running() as load:
        await load.more(40)
        for worker in site.inside.workers[1:]:
            worker.send(signal.SIGTERM)
            assert await asyncio.to_thread(worker.process.wait, 15) == 0
        assert len(site.inside.workers) == 1
        await load.more(40)
        for api in site.apis:
            assert await site.restart(api) == 0
        await load.more(80)
    took_s = time.monotonic() - began
    await load.all_done()
    assert load.failed == []
    await eventually(lambda: all(len(viewer.away_s) > len(viewer.codes) for viewer in viewers))
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    codes = [code for viewer in viewers for code in viewer.codes]
    assert codes
    assert set(codes) == {1012}
    away = [seconds for viewer in viewers for seconds in viewer.away_s[1:]]
    assert max(away) < 5
    assert all(viewer.heard for viewer in viewers)
    reached = site.requests_per_api(site.log(before))
    assert set(reached) == {f"127.0.0.1:{api.port}" for api in site.apis}
    print(
        f"workers 3 → 1, both APIs restarted in {took_s:.1f} s: {load.sent} requests, "
        f"{len(load.failed)} failed, "
        f"slowest {load.slowest_s:.2f} s; per API {sorted(reached.values())}; "
        f"{len(load.acknowledged)} jobs, all COMPLETED; "
        f"sockets moved {len(away)} times, longest away {max(away):.2f} s"
    )
