"""Batches of what arrives one by one: nothing is lost, nothing is flushed twice, nobody lone
waits."""

import asyncio
import time
from collections import deque

import pytest
from conftest import eventually

from monoq.process.batching import Batches, Pace, up_to


async def test_what_was_added_before_the_close_is_flushed_in_order() -> None:
    flushed: list[list[int]] = []

    async def flush(batch: list[int]) -> None:
        flushed.append(batch)
        await asyncio.sleep(0)

    batches: Batches[int] = Batches(flush, up_to(3))
    batches.add(range(7))
    batches.close()
    await batches.run()
    assert flushed == [[0, 1, 2], [3, 4, 5], [6]]


async def test_what_arrives_during_a_flush_goes_into_one_next_batch() -> None:
    flushed: list[list[int]] = []
    go_on = asyncio.Event()

    async def flush(batch: list[int]) -> None:
        flushed.append(batch)
        await go_on.wait()

    batches: Batches[int] = Batches(flush, up_to(10))
    running = asyncio.create_task(batches.run())
    batches.add([1])
    await eventually(lambda: flushed == [[1]])
    batches.add([2])
    batches.add([3])
    go_on.set()
    await eventually(lambda: flushed == [[1], [2, 3]])
    batches.close()
    await running


async def test_lanes_flush_at_once_and_each_item_goes_to_one_of_them() -> None:
    under_way = most = 0
    flushed: list[int] = []

    async def flush(batch: list[int]) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        flushed.extend(batch)

    async def gather() -> None:
        await asyncio.sleep(0)  # both lanes see the last item here; one of them finds it taken

    batches: Batches[int] = Batches(flush, up_to(1), lanes=2, gather=gather)
    running = asyncio.create_task(batches.run())
    batches.add(range(21))
    await eventually(lambda: len(flushed) == 21)
    batches.close()
    await running
    assert sorted(flushed) == list(range(21))
    assert most == 2


async def test_beyond_what_is_kept_the_oldest_are_dropped() -> None:
    flushed: list[list[int]] = []

    async def flush(batch: list[int]) -> None:
        flushed.append(batch)

    batches: Batches[int] = Batches(flush, up_to(10), keep=3)
    batches.add(range(5))
    batches.close()
    await batches.run()
    assert flushed == [[2, 3, 4]]


async def test_a_taker_may_leave_everything_where_it_is_until_more_has_come() -> None:
    flushed: list[list[int]] = []

    async def flush(batch: list[int]) -> None:
        flushed.append(batch)

    async def gather() -> None:
        await asyncio.sleep(0)

    def take_pairs(waiting: deque[int]) -> list[int]:
        return [waiting.popleft(), waiting.popleft()] if len(waiting) > 1 else []

    batches: Batches[int] = Batches(flush, take_pairs, gather=gather)
    running = asyncio.create_task(batches.run())
    batches.add([1])
    await asyncio.sleep(0)
    batches.add([2])
    await eventually(lambda: flushed == [[1, 2]])
    batches.close()
    await running


async def test_a_close_before_the_start_ends_it_at_once_and_may_come_twice() -> None:
    async def flush(batch: list[int]) -> None:
        raise AssertionError("nothing was added")

    batches: Batches[int] = Batches(flush, up_to(1), lanes=2)
    batches.close()
    batches.close()
    async with asyncio.timeout(5):
        await batches.run()


async def test_an_error_of_a_flush_ends_all_lanes() -> None:
    async def flush(batch: list[int]) -> None:
        raise OSError("the disk is full")

    batches: Batches[int] = Batches(flush, up_to(1), lanes=2)
    batches.add([1])
    with pytest.raises(ExceptionGroup) as failed:
        async with asyncio.timeout(5):
            await batches.run()
    assert isinstance(failed.value.exceptions[0], OSError)


async def test_the_pace_lets_a_lone_one_through_and_spaces_those_that_follow() -> None:
    pace = Pace(0.05)
    began = time.monotonic()
    await pace.wait()
    assert time.monotonic() - began < 0.05
    for _ in range(4):
        await pace.wait()
    assert time.monotonic() - began >= 0.19  # timers have a resolution of a millisecond
