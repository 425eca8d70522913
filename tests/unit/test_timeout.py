"""The shared time limit ends a wait as `asyncio.timeout` does."""

import asyncio

import pytest

from monoq.process.timeout import SharedTimeout


async def wait_within(limit: SharedTimeout, done: asyncio.Event) -> str:
    try:
        with limit:
            await done.wait()
    except TimeoutError:
        return "late"
    return "in time"


async def test_those_who_wait_too_long_get_a_timeout_and_nobody_else_does() -> None:
    limit, done, never = SharedTimeout(0.2), asyncio.Event(), asyncio.Event()
    early = [asyncio.create_task(wait_within(limit, never)) for _ in range(3)]
    quick = asyncio.create_task(wait_within(limit, done))
    done.set()
    assert await quick == "in time"
    assert await asyncio.gather(*early) == ["late"] * 3
    assert await wait_within(limit, never) == "late", "the timer is set again"
    assert not any(task.cancelling() for task in early)


async def test_one_who_came_later_has_as_much_time_as_the_first() -> None:
    limit, never = SharedTimeout(0.3), asyncio.Event()
    ends: list[str] = []

    async def wait(name: str) -> None:
        assert await wait_within(limit, never) == "late"
        ends.append(name)

    first = asyncio.create_task(wait("first"))
    assert await wait_within(SharedTimeout(0.1), never) == "late"
    second = asyncio.create_task(wait("second"))
    await first
    assert not second.done()
    await second
    assert ends == ["first", "second"]


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    limit, never = SharedTimeout(30), asyncio.Event()
    task = asyncio.create_task(wait_within(limit, never))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_comes_with_the_timeout_is_not_swallowed() -> None:
    limit, never = SharedTimeout(0.05), asyncio.Event()

    async def wait() -> None:
        with limit:
            try:
                await never.wait()
            finally:
                me = asyncio.current_task()
                assert me
                me.cancel()  # by somebody else, before the timeout is told

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(wait())


async def test_what_is_raised_inside_comes_out() -> None:
    limit = SharedTimeout(30)
    with pytest.raises(ValueError, match="mine"), limit:
        raise ValueError("mine")
    assert await wait_within(limit, _set()) == "in time"


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
