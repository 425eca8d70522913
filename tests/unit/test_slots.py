"""The jobs in hand: none is forgotten, and never more than there is room for."""

import asyncio
import time
from uuid import UUID

from monoq.pool import Pool
from monoq.registry import App
from monoq.worker.run import Run
from monoq.worker.slots import Slots

app = App()


@app.handler("a")
async def a() -> None: ...


def run(number: int, *, claim: int = 1, deaths: int = 0) -> Run:
    return Run(
        UUID(int=number), "t", "a", "{}", claim, 1, 1, 3, 2, 0, deaths, 60.0, app.handlers["a"]
    )


def test_never_more_are_reserved_than_there_are_slots_in_a_pool() -> None:
    slots = Slots(10)
    assert slots.reserve(Pool.LOOP, 7) == 7
    assert slots.reserve(Pool.LOOP, 7) == 3
    assert slots.reserve(Pool.LOOP, 7) == 0
    assert slots.reserve(Pool.THREADS, 7) == 7, "each pool has its own"
    assert slots.claiming(Pool.LOOP) == 10


def test_what_was_reserved_and_not_claimed_is_free_again() -> None:
    slots = Slots(10)
    slots.reserve(Pool.LOOP, 10)
    slots.fill(Pool.LOOP, 10, [run(1), run(2)])
    assert (len(slots), slots.claiming(Pool.LOOP)) == (2, 0)
    assert slots.reserve(Pool.LOOP, 20) == 8
    slots.fill(Pool.LOOP, 8, [])
    slots.settle(list(slots))
    assert len(slots) == 0
    assert slots.reserve(Pool.LOOP, 20) == 10


def test_a_job_that_came_back_while_its_first_run_was_settled_is_kept() -> None:
    """It was given back, and claimed here once more, before the answer came."""
    slots = Slots(10)
    first, second = run(1), run(1, claim=2)
    slots.reserve(Pool.LOOP, 2)
    slots.fill(Pool.LOOP, 1, [first])
    slots.fill(Pool.LOOP, 1, [second])
    slots.settle([first])
    assert list(slots) == [second]
    slots.settle([second])
    assert slots.reserve(Pool.LOOP, 20) == 10


def test_a_suspect_takes_the_slot_of_a_child() -> None:
    slots = Slots(1)
    slots.reserve(Pool.CHILDREN, 1)
    slots.fill(Pool.CHILDREN, 1, [run(1, deaths=1)])
    assert slots.reserve(Pool.CHILDREN, 1) == 0
    assert slots.reserve(Pool.LOOP, 1) == 1
    slots.settle(list(slots))
    assert slots.reserve(Pool.CHILDREN, 1) == 1


async def test_who_waits_for_room_is_woken_by_a_change() -> None:
    slots = Slots(1)
    began = time.monotonic()
    await slots.wait(0.05)
    assert time.monotonic() - began > 0.04
    waiting = asyncio.create_task(slots.wait(30))
    await asyncio.sleep(0)
    slots.settle([])
    async with asyncio.timeout(5):
        await waiting


async def test_a_change_wakes_the_first_who_waits_for_each_pool_and_room_the_next() -> None:
    slots = Slots(1)
    order: list[str] = []

    async def wait(name: str, pool: Pool) -> None:
        await slots.wait(30, pool)
        order.append(name)

    async with asyncio.TaskGroup() as waiting:
        for name, pool in (
            ("loop 1", Pool.LOOP),
            ("loop 2", Pool.LOOP),
            ("threads", Pool.THREADS),
            ("loop 3", Pool.LOOP),
            ("loop 4", Pool.LOOP),
        ):
            waiting.create_task(wait(name, pool))
            await asyncio.sleep(0)
        slots.change()
        for _ in range(5):
            await asyncio.sleep(0)
        assert sorted(order) == ["loop 1", "threads"]
        slots.change(Pool.LOOP)
        for _ in range(5):
            await asyncio.sleep(0)
        assert order[2:] == ["loop 2"]
        slots.wake_all()
    assert sorted(order[3:]) == ["loop 3", "loop 4"]


async def test_a_wait_that_is_over_takes_no_change_from_another() -> None:
    slots = Slots(1)
    first = asyncio.create_task(slots.wait(30, Pool.LOOP))
    second = asyncio.create_task(slots.wait(30, Pool.LOOP))
    await asyncio.sleep(0)
    first.cancel()
    slots.change(Pool.LOOP)
    slots.change(Pool.LOOP)
    async with asyncio.timeout(5):
        await second
