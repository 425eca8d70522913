"""The benchmark's judge of a cap sees what it is there to see."""

from monoq.bench.limits import Mark, judge

CAPS = [(0.0, 2), (10.0, 1)]


def run(name: str, begin: float, end: float, pid: int = 1) -> list[Mark]:
    return [Mark(begin, "start", name, pid), Mark(end, "end", name, pid)]


def test_a_start_above_the_cap_is_counted_and_one_within_it_is_not() -> None:
    within = run("a", 1, 3) + run("b", 2, 4) + run("c", 3.5, 5)
    judged = judge(within, CAPS, 0, 20)
    assert (judged["starts looked at"], judged["starts above it"], judged["most at once"]) == (
        3,
        0,
        2,
    )
    assert judged["used, %"] == 100 * 5.5 / 30
    assert judge(within + run("d", 2.5, 2.6), CAPS, 0, 20)["starts above it"] == 1


def test_a_lower_cap_holds_for_what_begins_a_second_later() -> None:
    before = run("a", 9, 20) + run("b", 10.5, 20)
    assert judge(before, CAPS, 0, 20)["starts above it"] == 0
    assert judge(run("a", 9, 20) + run("b", 11.5, 20), CAPS, 0, 20)["starts above it"] == 1


def test_nothing_runs_in_a_process_that_is_gone() -> None:
    gone = [Mark(2, "gone", "", 1)]
    runs = [Mark(1, "start", "a", 1), Mark(1, "start", "b", 2), *run("c", 3, 4, 3)]
    assert judge(runs, CAPS, 0, 20)["starts above it"] == 1
    judged = judge(runs + gone, CAPS, 0, 20)
    assert (judged["starts above it"], judged["killed or frozen"]) == (0, 1)
