"""How fast ids are taken off the runway."""

import pytest

from monoq.queue.pace import HALF_LIFE_S, SAMPLE_S, Pace


def test_the_pace_rises_at_once_and_falls_by_half_in_its_half_life() -> None:
    pace = Pace()
    pace.note(7_000_000, 100.0)
    assert pace.per_s == 0, "what was taken before the first look tells nothing"
    pace.note(7_020_000, 101.0)
    assert pace.per_s == 20_000
    pace.note(7_020_000, 101.0 + HALF_LIFE_S)
    assert pace.per_s == pytest.approx(10_000)
    pace.note(7_020_000, 101.0 + 20 * HALF_LIFE_S)
    assert pace.per_s < 1


def test_looks_close_to_one_another_are_one_sample() -> None:
    pace = Pace()
    pace.note(0, 0.0)
    pace.note(500, SAMPLE_S / 2)
    assert pace.per_s == 0
    pace.note(1000, SAMPLE_S)
    assert pace.per_s == pytest.approx(1000 / SAMPLE_S)


def test_a_count_that_began_anew_is_no_pace() -> None:
    pace = Pace()
    pace.note(1_000_000, 0.0)
    pace.note(0, 1.0)
    assert pace.per_s == 0
    pace.note(500, 2.0)
    assert pace.per_s == 500
