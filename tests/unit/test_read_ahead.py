"""How many jobs are claimed before they can start: what starts within a moment, and no more."""

from monoq.worker.read_ahead import AHEAD_S, HALF_LIFE_S, ReadAhead


def after(
    ahead: ReadAhead,
    per_s: float,
    seconds: float,
    *,
    unstarted: int = 1,
    started: int = 0,
    at: float = 100.0,
) -> tuple[int, int]:
    """What may wait after so long at this pace, and how many had started."""
    allowed = ahead.allowed(started, unstarted, at)
    for step in range(1, int(seconds * 100) + 1):
        allowed = ahead.allowed(started + int(per_s * step / 100), unstarted, at + step / 100)
    return allowed, started + int(per_s * seconds)


def test_it_begins_with_a_handful() -> None:
    assert 1 <= ReadAhead().allowed(0, 0, 100.0) <= 32


def test_what_starts_within_the_time_may_be_claimed_ahead() -> None:
    for per_s in (1000.0, 40_000.0):
        allowed, _ = after(ReadAhead(), per_s, 1.0)
        assert 0.8 * per_s * AHEAD_S <= allowed <= 1.3 * per_s * AHEAD_S


def test_the_pace_falls_while_jobs_wait_to_start() -> None:
    ahead = ReadAhead()
    quick, started = after(ahead, 10_000, 1.0)
    slow, _ = after(ahead, 20, 1.0, started=started, at=101.0)
    assert quick >= 400
    assert slow <= 10


def test_it_halves_within_its_half_life() -> None:
    ahead = ReadAhead()
    quick, started = after(ahead, 10_000, 1.0)
    slow, _ = after(ahead, 0, HALF_LIFE_S, started=started, at=101.0)
    assert 0.3 * quick <= slow <= 0.7 * quick


def test_a_pause_of_the_queue_is_forgotten() -> None:
    """Nothing waits: that no job starts says nothing about how fast they could."""
    ahead = ReadAhead()
    quick, started = after(ahead, 10_000, 1.0)
    assert after(ahead, 0, 60.0, unstarted=0, started=started, at=101.0)[0] >= 0.9 * quick


def test_asking_often_changes_nothing() -> None:
    """A single stretch between two questions may be shorter than a handful takes to start."""
    ahead = ReadAhead()
    now = 100.0
    ahead.allowed(0, 1, now)
    for n in range(10_000):
        now += 0.0001
        allowed = ahead.allowed(n // 10, 1, now)
    assert allowed <= 2 * 1000 * AHEAD_S
