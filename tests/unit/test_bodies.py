"""Room for the bodies of requests, and turns for those that are worked on."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from conftest import eventually

from monoq.api import bodies
from monoq.api.bodies import Body, Room, Turns
from monoq.api.problems import Problem

KB = 1024


def is_let_on(body: Body) -> "asyncio.Task[None]":
    return asyncio.create_task(body.room_for_more())


async def test_with_no_room_left_only_the_largest_goes_on_until_one_is_let_go() -> None:
    room = Room(100 * KB)
    with room.body() as large, room.body() as middle, room.body() as small, room.body() as newcomer:
        for body, size in ((large, 60), (middle, 30), (small, 20)):
            body.add(b"x" * size * KB)
        newcomer.add(b"x" * KB)
        await large.room_for_more()
        await newcomer.room_for_more()  # so little is free
        waiting = [is_let_on(body) for body in (middle, small)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        assert large.take() == b"x" * 60 * KB
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting), "what is worked on is held, too"
        large.let_go()
        await asyncio.gather(*waiting)


async def test_the_next_largest_goes_on_when_the_largest_has_gone() -> None:
    room = Room(50 * KB)
    with room.body() as one, room.body() as two:
        two.add(b"x" * 60 * KB)
        with room.body() as first:
            first.add(b"x" * 70 * KB)
            one.add(b"x" * 20 * KB)
            waiting = [is_let_on(body) for body in (one, two)]
            await asyncio.sleep(0)
            assert not any(task.done() for task in waiting)
        await waiting[1]
        assert not waiting[0].done()
        two.let_go()
        await waiting[0]


async def test_who_waits_for_room_too_long_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.05)
    room = Room(50 * KB)
    with room.body() as large, room.body() as small:
        large.add(b"x" * 60 * KB)
        small.add(b"x" * 20 * KB)
        with pytest.raises(Problem) as problem:
            await small.room_for_more()
        assert (problem.value.status, problem.value.headers) == (503, {"Retry-After": "2"})


async def test_a_slow_client_makes_room_for_those_that_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "PRESSING_S", 0.01)
    room = Room(50 * KB)
    never = asyncio.Event()

    async def drip(body: Body) -> None:
        with room.body() as slow:
            slow.add(b"x" * 60 * KB)
            async with asyncio.timeout(60) as slow.limit:
                await never.wait()

    with room.body() as waiting:
        waiting.add(b"x" * 20 * KB)
        dripping = asyncio.create_task(drip(waiting))
        await asyncio.sleep(0)
        await waiting.room_for_more()
        with pytest.raises(TimeoutError):
            await dripping


async def test_large_bodies_are_worked_on_by_turns_in_the_order_they_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room, turns = Room(1000 * KB), Turns(100 * KB)
    done: list[int] = []
    may_end = [asyncio.Event() for _ in range(5)]

    async def work(n: int, size: int) -> None:
        with room.body() as body:
            body.add(b"x" * size * KB)
            async with turns.turn(body):
                done.append(n)
                await may_end[n].wait()

    tasks = [asyncio.create_task(work(n, size)) for n, size in enumerate((60, 40, 200, 10, 10))]
    await eventually(lambda: done == [0, 1])
    may_end[1].set()
    await tasks[1]
    for _ in range(10):
        await asyncio.sleep(0)
    assert done == [0, 1], (
        "the small ones do not overtake the large one, which would else wait for ever"
    )
    tasks[2].cancel()
    await eventually(lambda: done == [0, 1, 3, 4])
    for event in may_end:
        event.set()
    await asyncio.gather(tasks[0], tasks[3], tasks[4])
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.01)
    await _told_to_come_back(room, turns)


async def _told_to_come_back(room: Room, turns: Turns) -> None:
    async with AsyncExitStack() as stack:
        enter: Callable[[], Body] = lambda: stack.enter_context(room.body())  # noqa: E731
        first, second = enter(), enter()
        for body in (first, second):
            body.add(b"x" * 100 * KB)
        await stack.enter_async_context(turns.turn(first))
        with pytest.raises(Problem) as problem:
            async with turns.turn(second):
                pass
        assert problem.value.status == 503
    async with turns.turn(second):
        pass
