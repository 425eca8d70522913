"""The jobs in hand: none is forgotten, and never more than there is room for."""

import asyncio
import time
from uuid import UUID

from monoq.app.pool import Pool
from monoq.app.registry import App
from monoq.policy import most_of
from monoq.worker.run import Run
from monoq.worker.shares import Shares
from monoq.worker.slots import Slots

app = App()


@app.handler("a")
async def a() -> None: ...


def slots_of(size: int, part: float = 1.0) -> Slots:
    return Slots(size, Shares(dict.fromkeys(Pool, size), part))


def run(number: int, *, claim: int = 1, deaths: int = 0, tenant: str = "t") -> Run:
    return Run(
        UUID(int=number), tenant, "a", "{}", claim, 1, 1, 3, 2, 0, deaths, 60.0, app.handlers["a"]
    )


def test_never_more_are_reserved_than_there_are_slots_in_a_pool() -> None:
    slots = slots_of(10)
    assert slots.reserve(Pool.LOOP, 7) == 7
    assert slots.reserve(Pool.LOOP, 7) == 3
    assert slots.reserve(Pool.LOOP, 7) == 0
    assert slots.reserve(Pool.THREADS, 7) == 7, "each pool has its own"
    assert slots.claiming(Pool.LOOP) == 10


def test_what_was_reserved_and_not_claimed_is_free_again() -> None:
    slots = slots_of(10)
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
    slots = slots_of(10)
    first, second = run(1), run(1, claim=2)
    slots.reserve(Pool.LOOP, 2)
    slots.fill(Pool.LOOP, 1, [first])
    slots.fill(Pool.LOOP, 1, [second])
    slots.settle([first])
    assert list(slots) == [second]
    slots.settle([second])
    assert slots.reserve(Pool.LOOP, 20) == 10


def test_a_claim_has_ended_when_the_last_of_its_jobs_is_settled() -> None:
    slots = slots_of(10)
    runs = [run(number) for number in range(4)]
    for one, xid in zip(runs, (7, 7, 8, 8), strict=True):
        one.claim_xid = xid
    slots.fill(Pool.LOOP, 0, runs)
    slots.settle(runs[:3])
    assert slots.take_ended_claims() == [7]
    slots.settle(runs[3:])
    assert slots.take_ended_claims() == [8]
    assert slots.take_ended_claims() == []


def test_a_suspect_takes_the_slot_of_a_child() -> None:
    slots = slots_of(1)
    slots.reserve(Pool.CHILDREN, 1)
    slots.fill(Pool.CHILDREN, 1, [run(1, deaths=1)])
    assert slots.reserve(Pool.CHILDREN, 1) == 0
    assert slots.reserve(Pool.LOOP, 1) == 1
    slots.settle(list(slots))
    assert slots.reserve(Pool.CHILDREN, 1) == 1


async def test_who_waits_for_room_is_woken_by_a_change() -> None:
    slots = slots_of(1)
    began = time.monotonic()
    await slots.wait(0.05)
    assert time.monotonic() - began > 0.04
    waiting = asyncio.create_task(slots.wait(30))
    await asyncio.sleep(0)
    slots.settle([])
    async with asyncio.timeout(5):
        await waiting


async def test_a_change_wakes_the_first_who_waits_for_each_pool_and_room_the_next() -> None:
    slots = slots_of(1)
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
    slots = slots_of(1)
    first = asyncio.create_task(slots.wait(30, Pool.LOOP))
    second = asyncio.create_task(slots.wait(30, Pool.LOOP))
    await asyncio.sleep(0)
    first.cancel()
    slots.change(Pool.LOOP)
    slots.change(Pool.LOOP)
    async with asyncio.timeout(5):
        await second


def test_one_tenant_holds_its_part_at_most_and_others_the_rest() -> None:
    slots = slots_of(10, 0.8)
    assert slots.reserve(Pool.LOOP, 20) == 8, "they may all be of one tenant"
    assert slots.reserve(Pool.LOOP, 20) == 0
    large = [run(n, tenant="large") for n in range(8)]
    slots.fill(Pool.LOOP, 8, large)
    assert not slots.crowded[Pool.LOOP].is_set()
    assert slots.reserve(Pool.LOOP, 20) == 0
    assert slots.crowded[Pool.LOOP].is_set()
    assert slots.full(Pool.LOOP) == ["large"]
    assert slots.reserve_spare(Pool.LOOP, 20) == 2
    assert slots.claiming(Pool.LOOP) == 2
    slots.settle(large[:1])
    assert slots.full(Pool.LOOP) == []
    assert slots.reserve(Pool.LOOP, 20) == 1, "what is kept for others is not the large one's"
    slots.fill(Pool.LOOP, 1, [])
    slots.fill(Pool.LOOP, 2, [run(n, tenant="small") for n in (10, 11)], spare=True)
    assert slots.reserve(Pool.LOOP, 20) == 1
    assert slots.claiming(Pool.LOOP) == 1


def test_without_a_large_tenant_every_slot_is_used() -> None:
    slots = slots_of(10, 0.8)
    slots.fill(Pool.LOOP, 0, [run(n, tenant=f"t{n}") for n in range(8)])
    assert slots.reserve(Pool.LOOP, 20) == 2


def test_a_tenant_may_have_short_jobs_read_ahead_but_not_long_ones() -> None:
    shares = Shares(dict.fromkeys(Pool, 10), 0.8)

    def taken(now: float, took_s: float = 0.001) -> list[Run]:
        runs = [run(n, deaths=1) for n in range(8)]
        for one in runs:
            one.claimed_at, one.started_at, one.ended_at = now, now, now + took_s
        shares.add(Pool.CHILDREN, runs)
        return runs

    def room(now: float) -> tuple[int, list[str]]:
        full = shares.full(Pool.CHILDREN, ahead=5, in_hand=in_hand, now=now)
        left = shares.room(
            Pool.CHILDREN, 20, taken=8, claiming=0, ahead=5, in_hand=in_hand, now=now
        )
        return left, full

    first = in_hand = taken(100.0)
    assert room(100.01) == (0, ["t"]), "how long its runs take is not known"
    shares.remove(Pool.CHILDREN, first, 100.02)
    second = in_hand = taken(100.1)
    assert room(100.15) == (5, [])
    assert room(101.0) == (0, ["t"])
    shares.remove(Pool.CHILDREN, second, 101.0)
    assert room(101.0) == (13, [])


def test_a_part_is_of_whole_places_and_at_least_one() -> None:
    parts = {size: most_of(size, 0.9) for size in (1, 4, 5, 6, 16, 32, 2000)}
    assert parts == {1: 1, 4: 4, 5: 5, 6: 5, 16: 14, 32: 29, 2000: 1800}
