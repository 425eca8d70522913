"""From any thread to the event loop: nothing is lost, everything is taken by the loop, and many
things at a time."""

import asyncio
import threading

from conftest import eventually

from monoq.worker.mailbox import Mailbox


async def test_what_threads_put_is_all_taken_in_the_loop_and_each_ones_in_order() -> None:
    taken: list[tuple[int, int]] = []
    takers: set[int] = set()
    done = asyncio.Event()

    def take(items: list[tuple[int, int]]) -> None:
        takers.add(threading.get_ident())
        taken.extend(items)
        if len(taken) == 8 * 2000:
            done.set()

    mailbox: Mailbox[tuple[int, int]] = Mailbox(asyncio.get_running_loop(), take)

    def put(who: int) -> None:
        for n in range(2000):
            mailbox.put((who, n))

    threads = [threading.Thread(target=put, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(20):
        await done.wait()
    for who in range(8):
        assert [n for one, n in taken if one == who] == list(range(2000))
    assert takers == {threading.get_ident()}


async def test_many_things_wake_the_loop_once() -> None:
    calls: list[list[int]] = []
    mailbox: Mailbox[int] = Mailbox(asyncio.get_running_loop(), calls.append)
    for n in range(1000):
        mailbox.put(n)
    await eventually(lambda: calls)
    assert calls == [list(range(1000))]


async def test_what_is_put_while_it_delivers_comes_too() -> None:
    taken: list[int] = []

    def take(items: list[int]) -> None:
        taken.extend(items)
        if taken[-1] < 5:
            mailbox.put(taken[-1] + 1)

    mailbox: Mailbox[int] = Mailbox(asyncio.get_running_loop(), take)
    mailbox.put(0)
    await eventually(lambda: len(taken) >= 6)
    assert taken == [0, 1, 2, 3, 4, 5]


def test_a_loop_that_is_closed_is_no_error() -> None:
    """A handler's thread may outlive the loop that it would tell."""
    loop = asyncio.new_event_loop()
    mailbox: Mailbox[int] = Mailbox(loop, lambda items: None)
    loop.close()
    mailbox.put(1)
