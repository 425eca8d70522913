"""A handler's own policy may fail, too: then a run ends all the same, and its place goes on."""

import asyncio
import queue
import time
from typing import Any
from uuid import UUID

import pytest
from recorder import Recorder

from monoq.app.backoff import Backoff
from monoq.app.batch import BatchJob
from monoq.app.context import JobContext
from monoq.app.registry import App
from monoq.job import Status
from monoq.worker.environment import Environment
from monoq.worker.handler_loop import HandlerLoop
from monoq.worker.run import Ending, Run
from monoq.worker.threads import Threads


class Broken(Backoff):
    """Of somebody's own, and wrong."""

    def delay(self, attempt: int) -> float:
        raise ZeroDivisionError(f"attempt {attempt}")


app = App()


@app.handler("plain", backoff=Broken())
def plain() -> None:
    raise RuntimeError("the handler fails")


@app.handler("async", backoff=Broken())
async def waits() -> None:
    await asyncio.sleep(0)
    raise RuntimeError("the handler fails")


@app.batch_handler("batched", backoff=Broken())
async def batched(jobs: list[BatchJob[Any]]) -> None:
    raise RuntimeError("the handler fails")


async def hangs(ctx: JobContext) -> None:
    await asyncio.sleep(3600)


hooked = App(after=hangs)


@hooked.batch_handler("hooked", timeout=0.2)
async def works(jobs: list[BatchJob[Any]]) -> None: ...


app.include(hooked)

Ends = queue.SimpleQueue[tuple[Run, Ending]]


def run(number: int, job_type: str, *, max_attempts: int = 3) -> Run:
    return Run(
        UUID(int=number), "t", job_type, "{}", 1, 1, 1, max_attempts, 2, 0, 0, 60.0,
        app.handlers[job_type], time.monotonic(),
    )  # fmt: skip


def threads(ends: Ends) -> Threads:
    return Threads(
        1,
        Environment(1000, Recorder()),
        lambda _: None,
        lambda run, ending: ends.put((run, ending)),
    )


def handler_loop(ends: Ends) -> HandlerLoop:
    return HandlerLoop(
        list(app),
        Environment(1000, Recorder()),
        lambda _: None,
        lambda run, ending: ends.put((run, ending)),
        lambda: None,
    )


@pytest.mark.parametrize(
    ("place", "job_type"),
    [(threads, "plain"), (handler_loop, "async"), (handler_loop, "batched")],
)
def test_a_run_whose_backoff_fails_ends_and_the_next_one_runs(place, job_type: str) -> None:  # type: ignore[no-untyped-def]
    ends: Ends = queue.SimpleQueue()
    there = place(ends)
    try:
        there.start([run(1, job_type), run(2, job_type)])
        found = dict(sorted((ends.get(timeout=10) for _ in range(2)), key=lambda end: end[0].id))
    finally:
        there.stop()
    assert [one.id.int for one in found] == [1, 2]
    for ending in found.values():
        assert ending.status is Status.PENDING
        assert ending.error == "ZeroDivisionError: attempt 1"
        assert ending.delay_ms > 0, "not at once, again and again"


def test_the_last_attempt_has_failed() -> None:
    ends: Ends = queue.SimpleQueue()
    there = threads(ends)
    there.start([run(1, "plain", max_attempts=1)])
    _, ending = ends.get(timeout=10)
    there.stop()
    assert ending.status is Status.FAILED


def test_a_hook_that_hangs_after_a_batch_holds_no_run_for_longer_than_its_time() -> None:
    ends: Ends = queue.SimpleQueue()
    there = handler_loop(ends)
    try:
        one = run(1, "hooked")
        one.timeout_s = 0.2
        there.start([one])
        _, ending = ends.get(timeout=10)
    finally:
        there.stop()
    assert ending.status is Status.COMPLETED
