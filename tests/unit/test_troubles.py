"""What a background loop fails at is counted each time, and told when it is news."""

import logging

import pytest

from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.observe.metrics import Metrics
from monoq.upkeep import troubles as module
from monoq.upkeep.troubles import AGAIN_AFTER_S, NEWS_AFTER_S, Troubles


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(types=[], version="test")


def counted(metrics: Metrics, loop: str) -> float:
    return metrics.registry.get_sample_value("monoq_upkeep_failures_total", {"loop": loop}) or 0.0


def test_a_failure_that_goes_on_is_told_again_and_so_is_its_end(
    clock: Clock, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    troubles = Troubles(metrics)
    passes = 0
    for _ in range(int(3 * AGAIN_AFTER_S)):
        troubles.note(
            "stager", DatabaseUnavailable("canceling statement\ndue to statement timeout")
        )
        clock.now += 1.0
        passes += 1
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert said[0] == "the stager has failed for 1 s: canceling statement due to statement timeout"
    troubles.over("stager")
    assert caplog.records[-1].getMessage() == f"the stager works again after {passes:.1f} s"
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert counted(metrics, "stager") == passes


def test_a_short_one_is_counted_only(
    clock: Clock, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    troubles = Troubles(metrics)
    for _ in range(5):
        troubles.note("promoter", DatabaseUnavailable("restarting"))
        clock.now += NEWS_AFTER_S / 10
    troubles.over("promoter")
    assert caplog.records == []
    assert counted(metrics, "promoter") == 5


def test_the_next_trouble_is_news_again(
    clock: Clock, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    troubles = Troubles(metrics)
    for _ in range(2):
        troubles.note("counter", DatabaseUnavailable("away"))
        clock.now += NEWS_AFTER_S
        troubles.note("counter", DatabaseUnavailable("away"))
        troubles.over("counter")
    assert len(caplog.records) == 4


def test_loops_have_troubles_of_their_own(
    clock: Clock, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    troubles = Troubles(metrics)
    troubles.note("stager", DatabaseUnavailable("away"))
    clock.now += NEWS_AFTER_S
    troubles.over("pruner")
    troubles.note("stager", DatabaseUnavailable("away"))
    assert [record.getMessage() for record in caplog.records] == [
        "the stager has failed for 1 s: away"
    ]
    assert (counted(metrics, "stager"), counted(metrics, "pruner")) == (2, 0)


def test_a_redis_that_is_away_is_for_others_to_tell(
    clock: Clock, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    troubles = Troubles(metrics)
    for _ in range(10):
        troubles.note("stager", QueueUnavailable("away"))
        clock.now += NEWS_AFTER_S
    troubles.over("stager")
    assert caplog.records == []
    assert counted(metrics, "stager") == 10
