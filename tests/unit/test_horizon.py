"""The age of the oldest open transaction, told from snapshots alone."""

from monoq.changes.horizon import HorizonAge


def test_a_transaction_is_as_old_as_the_first_look_that_saw_a_later_one() -> None:
    age = HorizonAge()
    assert age.of("10:10:", 0) == 0  # nothing is open
    assert age.of("11:11:", 1) == 0
    assert age.of("11:13:11", 2) == 0  # 11 is open since some moment between the looks
    assert age.of("11:15:11,13", 3) == 1
    assert age.of("11:17:11,13", 9) == 7
    assert age.of("13:19:13", 10) == 7  # 11 has ended; 13 had begun at the look of 3
    assert age.of("20:20:", 11) == 0


def test_ids_that_a_crash_took_back_are_not_old() -> None:
    age = HorizonAge()
    age.of("10:30:10", 0)
    assert age.of("12:15:12", 100) == 0
    assert age.of("12:16:12", 101) == 1


def test_a_transaction_that_is_open_for_a_day_costs_little_memory_and_keeps_its_age() -> None:
    age = HorizonAge()
    for second in range(86_400):
        assert age.of(f"5:{6 + second}:5", second) == second
    assert len(age._looks) < 4_000
    # the next oldest: somewhat too young
    assert 0 <= 86_400 - 50_000 - age.of(f"{6 + 50_000}:{6 + 86_400}:", 86_400) < 200
