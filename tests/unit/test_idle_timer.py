"""The timer of an idle connection ends it as Hypercorn's own task did."""

import asyncio

from conftest import eventually
from hypercorn.asyncio.task_group import TaskGroup

from monoq.api.hypercorn_patches import IdleTimer


class Connection:
    """What a timer ends; counts how often."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


async def test_an_idle_connection_is_closed_once_its_time_is_up() -> None:
    connection = Connection()
    timer = IdleTimer(0.01, connection.close)
    async with TaskGroup(asyncio.get_running_loop()) as group:
        await timer.restart(group, None)
        await eventually(lambda: connection.closed == 1)
        await timer.stop()
    assert connection.closed == 1


async def test_a_busy_connection_is_not_closed_before_it_is_idle_again() -> None:
    connection = Connection()
    timer = IdleTimer(60, connection.close)
    async with TaskGroup(asyncio.get_running_loop()) as group:
        await timer.restart(group, None)
        await timer.stop()
        timer.terminate()
        await asyncio.sleep(0)
        assert connection.closed == 0, "a request is under way"
        await timer.restart(group, None)
        await eventually(lambda: connection.closed == 1)


async def test_an_idle_connection_is_closed_when_the_server_stops() -> None:
    connection = Connection()
    timer = IdleTimer(60, connection.close)
    async with TaskGroup(asyncio.get_running_loop()) as group:
        await timer.restart(group, None)
        timer.terminate()
        timer.terminate()
    assert connection.closed == 1


async def test_a_connection_that_has_ended_is_not_closed_again() -> None:
    connection = Connection()
    timer = IdleTimer(0, connection.close)
    async with TaskGroup(asyncio.get_running_loop()) as group:
        await timer.restart(group, None)
        await timer.stop()
        await timer.stop()
        await asyncio.sleep(0.02)
    assert connection.closed == 0
