"""Which lists there are, and which of them a new job goes to."""

from typing import Any

from monoq.app.pool import Pool
from monoq.queue.keys import QUEUE
from monoq.queue.lists import JobLists, menus_of


def worker(
    *loop: str, threads: tuple[str, ...] = (), children: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {"loop_types": list(loop), "thread_types": list(threads), "child_types": list(children)}


def lists_of(*workers: dict[str, Any]) -> JobLists:
    lists = JobLists()
    lists.update(workers)
    return lists


def listens(lists: JobLists, one: dict[str, Any], pool: Pool) -> str:
    """The list that a worker pops from."""
    menu = menus_of(one["loop_types"], one["thread_types"], one["child_types"])
    return lists.listed(pool, menu[pool]).name


def test_workers_with_the_same_handlers_share_the_lists_with_the_usual_names() -> None:
    one = worker("a", "b", threads=("t",), children=("c",))
    lists = lists_of(one, worker("b", "a", threads=("t",), children=("c",)))
    assert sorted(made.name for made in lists.all) == [
        QUEUE,
        f"{QUEUE}:children",
        f"{QUEUE}:threads",
    ]
    for pool, name in (
        (Pool.LOOP, QUEUE),
        (Pool.THREADS, f"{QUEUE}:threads"),
        (Pool.CHILDREN, f"{QUEUE}:children"),
    ):
        assert listens(lists, one, pool) == name
    assert [lists.name_for(job_type) for job_type in "abtc"] == [
        QUEUE,
        QUEUE,
        f"{QUEUE}:threads",
        f"{QUEUE}:children",
    ]


def test_suspects_of_every_type_stand_in_the_list_for_children_only() -> None:
    lists = lists_of(worker("a", threads=("t",)))
    takes = {made.pool: made.takes for made in lists.all}
    assert takes == {
        Pool.LOOP: ((False, "a"),),
        Pool.THREADS: ((False, "t"),),
        Pool.CHILDREN: ((True, "a"), (True, "t")),
    }


def test_nobody_listens_for_a_type_without_a_live_worker() -> None:
    lists = lists_of(worker("a"))
    assert lists.name_for("unheard-of") is None
    lists.update([])
    assert lists.all == []
    assert lists.name_for("a") is None


def test_a_worker_that_knows_fewer_types_has_lists_of_its_own() -> None:
    old, new = worker("a"), worker("a", "b")
    lists = lists_of(old, new)
    assert listens(lists, new, Pool.LOOP) == QUEUE
    own = listens(lists, old, Pool.LOOP)
    assert own.startswith(f"{QUEUE}:")
    assert own == listens(lists_of(new, old), old, Pool.LOOP), "the same in every process"
    assert {made.name: made.takes for made in lists.all if made.pool is Pool.LOOP} == {
        QUEUE: ((False, "a"), (False, "b")),
        own: ((False, "a"),),
    }
    assert lists.name_for("a") == lists.name_for("b") == QUEUE, "the common one"


def test_two_kinds_of_workers_have_nothing_in_common() -> None:
    mails, images = worker("mail"), worker("image")
    lists = lists_of(mails, images)
    names = {listens(lists, mails, Pool.LOOP), listens(lists, images, Pool.LOOP)}
    assert len(names) == 2
    assert QUEUE not in names, "no worker knows both"
    assert {lists.name_for("mail"), lists.name_for("image")} == names


def test_a_process_that_has_not_heard_of_any_worker_listens_at_the_usual_names() -> None:
    """As does the first worker of all, until it has read that it is there."""
    lists = JobLists()
    assert listens(lists, worker("a"), Pool.LOOP) == QUEUE
