"""Ten thousand sockets that have something to say do not hold up the event loop."""

import asyncio

from monoq.live.turns import AT_ONCE, Turns


async def test_events_are_set_in_turn_each_once_and_everything_else_runs_in_between() -> None:
    turns, events = Turns(), [asyncio.Event() for _ in range(10 * AT_ONCE)]
    for event in events + events:
        turns.ask(event)
    were_set = []
    while not all(event.is_set() for event in events):
        await asyncio.sleep(0)  # one round of the loop, in which anything could run
        were_set.append([event.is_set() for event in events].count(True))
    assert [
        after - before
        for before, after in zip([0, *were_set], were_set, strict=False)
        if after > before
    ] == [AT_ONCE] * 10


async def test_who_asks_again_while_others_wait_is_last() -> None:
    turns = Turns()
    first, *others = events = [asyncio.Event() for _ in range(3 * AT_ONCE)]
    for event in events:
        turns.ask(event)
    await first.wait()
    first.clear()
    turns.ask(first)
    while not others[2 * AT_ONCE - 1].is_set():
        assert not first.is_set()
        await asyncio.sleep(0)
    await first.wait()
