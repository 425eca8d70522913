"""Services start, stop, and die; the process notices."""

import asyncio
import logging

import pytest
from conftest import eventually

from monoq.process.service import Service, supervise


class Probe(Service):
    """Notes what happens to it."""

    def __init__(
        self, name: str, diary: list[str], dies: bool = False, stubborn: bool = False
    ) -> None:
        super().__init__()
        self.name = name
        self.diary = diary
        self.dies = dies
        self.stubborn = stubborn

    async def run(self) -> None:
        self.diary.append(f"{self.name} runs")
        if self.dies:
            raise RuntimeError("dead")
        await self.stopping.wait()
        if self.stubborn:
            await asyncio.Event().wait()
        self.diary.append(f"{self.name} ends")


async def test_phases_stop_one_after_the_other_in_their_order() -> None:
    diary: list[str] = []
    stop = asyncio.Event()
    first, second, third = (Probe(name, diary) for name in ("first", "second", "third"))
    running = asyncio.create_task(supervise([[first, second], [third]], stop, 5))
    await eventually(lambda: len(diary) == 3)
    stop.set()
    assert await running
    assert diary[:3] == ["first runs", "second runs", "third runs"]
    assert set(diary[3:5]) == {"first ends", "second ends"}
    assert diary[5] == "third ends"


async def test_a_service_that_dies_stops_the_others_loudly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    diary: list[str] = []
    healthy, dying = Probe("healthy", diary), Probe("dying", diary, dies=True)
    assert not await supervise([[healthy], [dying]], asyncio.Event(), 5)
    assert "healthy ends" in diary
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "dying exited unexpectedly" in record.getMessage()
    assert record.exc_info


async def test_a_service_that_will_not_stop_is_cancelled_within_the_grace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop = asyncio.Event()
    stop.set()
    began = asyncio.get_running_loop().time()
    assert not await supervise([[Probe("stubborn", [], stubborn=True)]], stop, 0.2)
    assert asyncio.get_running_loop().time() - began < 2
    assert "stubborn did not stop in time" in caplog.text


async def test_a_stop_may_come_twice_and_before_the_start() -> None:
    probe = Probe("probe", [])
    probe.stop()
    probe.stop()
    await probe.run()
    assert probe.diary == ["probe runs", "probe ends"]
    await probe.pause(60)  # returns at once: it is stopping
