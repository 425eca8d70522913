"""When a breaker opens and closes, on a clock of the test's own."""

from monoq.outgoing.breaker import (
    FAILED_CALLS,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    PATIENCE_S,
    RELAPSE_S,
    SILENT_CALLS,
    Breaker,
    State,
)


def state_of(breaker: Breaker) -> State:
    return breaker.state


def opened(at: float = 100.0) -> Breaker:
    breaker = Breaker()
    for _ in range(SILENT_CALLS):
        breaker.was_silent(at, "nobody listens", probe=False)
    assert state_of(breaker) is State.OPEN
    return breaker


def test_five_calls_in_a_row_without_an_answer_open_it() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(SILENT_CALLS - 1):
            breaker.was_silent(1, "nobody listens", probe=False)
        breaker.answered(1, 0.1, failed=False)
    assert state_of(breaker) is State.CLOSED
    breaker = opened()
    assert breaker.reason == "5 calls in a row got no answer; the last: nobody listens"


def test_twenty_errors_of_the_server_in_a_row_open_it_and_fewer_do_not() -> None:
    breaker = Breaker()
    for _ in range(FAILED_CALLS - 1):
        breaker.answered(1, 0.1, failed=True)
    breaker.answered(1, 0.1, failed=False)
    for _ in range(FAILED_CALLS - 1):
        breaker.answered(1, 0.1, failed=True)
    assert state_of(breaker) is State.CLOSED
    breaker.answered(1, 0.1, failed=True)
    assert state_of(breaker) is State.OPEN


def test_silence_while_calls_wait_opens_it() -> None:
    breaker = Breaker()
    breaker.answered(10, 0.1, failed=False)
    breaker.look(10 + PATIENCE_S - 0.1, waiting_since=9)
    assert state_of(breaker) is State.CLOSED
    breaker.look(10 + PATIENCE_S, waiting_since=9)
    assert state_of(breaker) is State.OPEN


def test_an_endpoint_whose_answers_take_long_is_given_longer() -> None:
    breaker = Breaker()
    breaker.answered(10, 6.0, failed=False)
    breaker.look(21, waiting_since=10)
    assert state_of(breaker) is State.CLOSED
    breaker.look(22.1, waiting_since=10)
    assert state_of(breaker) is State.OPEN


def test_one_probe_at_a_time_and_each_that_fails_doubles_the_pause() -> None:
    breaker = opened(100)
    now, pause_s = 100.0, FIRST_PAUSE_S
    since = breaker.since
    for _ in range(6):
        assert not breaker.may_call(now + pause_s - 0.01)
        now += pause_s
        assert breaker.may_call(now)
        assert state_of(breaker) is State.HALF_OPEN
        assert not breaker.may_call(now)
        breaker.was_silent(now, "a call from before", probe=False)
        assert state_of(breaker) is State.HALF_OPEN
        breaker.was_silent(now, "still nobody", probe=True)
        assert state_of(breaker) is State.OPEN
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        assert breaker.probe_at == now + pause_s
    assert breaker.since == since
    assert breaker.reason == "still nobody"


def test_an_answer_to_the_probe_closes_it_and_an_error_does_not() -> None:
    breaker = opened(100)
    assert breaker.may_call(105)
    breaker.answered(105, 0.1, failed=True)
    assert state_of(breaker) is State.OPEN
    assert breaker.may_call(115)
    breaker.answered(115, 0.1, failed=False)
    assert state_of(breaker) is State.CLOSED
    assert breaker.since == 115
    assert breaker.at_ease
    assert breaker.may_call(115)


def test_who_dies_again_at_once_is_probed_less_often_than_at_first() -> None:
    for later_s, pause_s in ((1.0, 2 * FIRST_PAUSE_S), (RELAPSE_S + 1, FIRST_PAUSE_S)):
        breaker = opened(100)
        assert breaker.may_call(105)
        breaker.answered(105, 0.1, failed=False)
        now = 105 + later_s
        for _ in range(SILENT_CALLS):
            breaker.was_silent(now, "nobody listens", probe=False)
        assert breaker.probe_at == now + pause_s


def test_a_probe_that_is_cancelled_leaves_the_next_call_to_be_one() -> None:
    breaker = opened(100)
    assert breaker.may_call(105)
    breaker.gave_up(106)
    assert state_of(breaker) is State.OPEN
    assert breaker.may_call(106)
