"""How a handler's end becomes an Ending, whatever the handler does to its task."""

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, TypeAdapter
from recorder import Recorder

from monoq import App, Backoff, ConfigError, JobContext
from monoq.errors import InvalidJson
from monoq.job import Status
from monoq.worker.call import end_of, still_cancelled
from monoq.worker.environment import Environment
from monoq.worker.run import RELEASED, Ending, Run

ID = UUID(int=1)
ENVIRONMENT = Environment(1000, Recorder())


class Order(BaseModel):
    n: int


def run_of(
    function: Callable[..., Any],
    payload: str = '{"n": 1}',
    attempt: int = 1,
    app: App | None = None,
    **policy: Any,
) -> Run:
    app = app or App()
    app.handler("test", max_attempts=3, timeout=5, backoff=Backoff(base=1, max=1), **policy)(
        function
    )
    return Run(ID, "acme", "test", payload, 1, 1, attempt, 3, 1, 0, 0, 5.0, app.handlers["test"])


async def ended(
    run: Run, meanwhile: "Callable[[asyncio.Task[None]], None] | None" = None
) -> Ending:
    """How a run ends in a task of its own; `meanwhile` is called once the handler waits."""
    endings: list[Ending] = []

    async def call() -> None:
        endings.append(await end_of(run, asyncio.to_thread, ENVIRONMENT))

    run.task = task = asyncio.create_task(call())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if meanwhile:
        meanwhile(task)
    await asyncio.wait([task])
    assert len(endings) == 1, "it escaped"
    return endings[0]


async def test_the_time_of_a_run_begins_with_its_handler() -> None:
    run = run_of(lambda: None)
    assert run.deadline == math.inf
    run.begin(100.0)
    assert (run.started_at, run.deadline) == (100.0, 105.0)
    assert not run.suspect
    run.deaths = 1
    assert run.suspect


def parse_something(payload: Order) -> None:
    TypeAdapter(int).validate_json('"x"')


async def parse_something_async(payload: Order) -> None:
    Order.model_validate({})


def refuse_something(payload: Order) -> None:
    raise InvalidJson("not what the other side should have sent")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (parse_something, "ValidationError: "),
        (parse_something_async, "ValidationError: "),
        (refuse_something, "InvalidJson: not"),
    ],
)
async def test_what_a_handler_parses_in_vain_is_a_failed_attempt(
    function: Callable[..., Any], said: str
) -> None:
    ending = await ended(run_of(function))
    assert (ending.status, ending.attempts_back, ending.delay_ms > 0) == (Status.PENDING, 0, True)
    assert ending.error
    assert ending.error.startswith(said)
    ending = await ended(run_of(function, attempt=3))
    assert ending.status is Status.FAILED


async def test_a_payload_that_does_not_fit_its_handler_has_failed_for_good() -> None:
    ending = await ended(run_of(parse_something, '{"n": "many"}'))
    assert ending.status is Status.FAILED
    assert "the payload does not fit its handler" in (ending.error or "")


SIZES = [("x", 1), ("ü", 2), ("\N{PARTY POPPER}", 4), ('"', 2)]


@pytest.mark.parametrize(("character", "size"), SIZES)
async def test_a_result_is_measured_in_bytes_of_json(character: str, size: int) -> None:
    most = (ENVIRONMENT.max_result - 2) // size
    ending = await ended(run_of(lambda payload: character * most))
    assert ending.status is Status.COMPLETED
    ending = await ended(run_of(lambda payload: character * (most + 1)))
    bytes_ = 2 + size * (most + 1)
    told = f"the result is {bytes_} bytes; at most 1000 are stored (MONOQ_MAX_RESULT)"
    assert (ending.status, ending.error) == (Status.FAILED, told)


def me() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    assert task
    return task


async def cancel_myself() -> None:
    me().cancel()
    await asyncio.sleep(60)


async def cancel_myself_twice_and_go_on() -> str:
    for _ in range(2):
        me().cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
    return "done"


async def cancel_myself_and_take_it_back() -> str:
    me().cancel()
    me().uncancel()
    return "done"


async def cancel_myself_and_return() -> str:
    me().cancel()
    return "done"


async def be_cancelled_by_a_child() -> None:
    parent = me()

    async def cancel_parent() -> None:
        parent.cancel("from below")

    child = asyncio.create_task(cancel_parent())
    await asyncio.sleep(60)
    await child


async def raise_a_kind_of_cancellation() -> None:
    class Stopped(asyncio.CancelledError): ...

    raise Stopped("mine")


async def take_back_what_never_was() -> None:
    me().uncancel()
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    "function", [cancel_myself, be_cancelled_by_a_child, raise_a_kind_of_cancellation]
)
async def test_a_handler_that_is_cancelled_by_anybody_but_monoq_has_failed_its_attempt(
    function: Callable[..., Any],
) -> None:
    ending = await ended(run_of(function))
    assert (ending.status, ending.attempts_back, ending.delay_ms > 0) == (Status.PENDING, 0, True)
    ending = await ended(run_of(function, attempt=3))
    assert (ending.status, ending.attempts_back) == (Status.FAILED, 0)


@pytest.mark.parametrize(
    "function",
    [cancel_myself_twice_and_go_on, cancel_myself_and_take_it_back, cancel_myself_and_return],
)
async def test_a_handler_that_comes_through_its_own_cancellation_is_done(
    function: Callable[..., Any],
) -> None:
    ending = await ended(run_of(function))
    assert ending == Ending(Status.COMPLETED, result='"done"')


@pytest.mark.parametrize(
    "function",
    [cancel_myself_twice_and_go_on, cancel_myself_and_take_it_back, cancel_myself_and_return],
)
async def test_a_cancellation_that_is_still_on_its_way_is_seen(
    function: Callable[..., Any],
) -> None:
    """The next job of this task would meet it."""

    async def call() -> bool:
        await end_of(run_of(function), asyncio.to_thread, ENVIRONMENT)
        return still_cancelled(me())

    seen: list[bool] = []

    async def look() -> None:
        seen.append(await call())

    await asyncio.wait([asyncio.create_task(look())])
    assert seen == [True]


@pytest.mark.parametrize("function", [lambda: asyncio.sleep(60), take_back_what_never_was])
async def test_a_cancellation_of_monoqs_is_what_monoq_says_it_is(
    function: Callable[..., Any],
) -> None:
    async def wait() -> None:
        await function()

    def release(task: "asyncio.Task[None]") -> None:
        run.released = True
        task.cancel()

    def time_out(task: "asyncio.Task[None]") -> None:
        run.timed_out = True
        task.cancel()

    run = run_of(wait)
    assert await ended(run, release) == RELEASED
    run = run_of(wait)
    ending = await ended(run, time_out)
    assert (ending.status, ending.error, ending.attempts_back) == (
        Status.PENDING,
        "timed out after 5 s",
        0,
    )


async def sinks() -> None:
    raise KeyError("sunk")


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        ({}, Status.PENDING),
        ({"retry_on": KeyError}, Status.PENDING),
        ({"retry_on": LookupError}, Status.PENDING),
        ({"retry_on": (OSError, TimeoutError)}, Status.FAILED),
        ({"give_up_on": KeyError}, Status.FAILED),
        ({"give_up_on": OSError}, Status.PENDING),
        ({"retry_on": LookupError, "give_up_on": (KeyError,)}, Status.FAILED),
    ],
)
async def test_a_handler_says_after_which_errors_there_is_another_attempt(
    policy: dict[str, Any], status: Status
) -> None:
    ending = await ended(run_of(sinks, **policy))
    assert (ending.status, ending.error) == (status, "KeyError: 'sunk'")
    assert ending.traceback


def test_what_is_no_exception_class_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="retry_on has 'OSError', which is not an exception class"
    ):
        run_of(sinks, retry_on="OSError")


async def test_hooks_are_called_around_a_run_and_at_its_failure() -> None:
    seen: list[Any] = []

    async def before(ctx: JobContext) -> None:
        seen.append(("before", ctx.attempt))

    def after(ctx: JobContext) -> None:
        seen.append("after")

    def on_failure(ctx: JobContext, error: str) -> None:
        seen.append(error)

    def app() -> App:
        return App(before=before, after=after, on_failure=on_failure)

    async def works() -> str:
        seen.append("runs")
        return "done"

    assert (await ended(run_of(works, app=app()))).status is Status.COMPLETED
    assert seen == [("before", 1), "runs", "after"]
    seen.clear()
    assert (await ended(run_of(sinks, app=app(), attempt=2))).status is Status.PENDING
    assert seen == [("before", 2), "after"], "there is another attempt"
    seen.clear()
    assert (await ended(run_of(sinks, app=app(), attempt=3))).status is Status.FAILED
    assert seen == [("before", 3), "KeyError: 'sunk'", "after"]
    with pytest.raises(ConfigError, match="'before' must be one too"):
        run_of(lambda: None, app=app())


async def test_a_hook_that_fails_before_the_run_fails_the_attempt_and_afterwards_nothing() -> None:
    def fails(*_: Any) -> None:
        raise OSError("no")

    ran: list[bool] = []

    async def works() -> None:
        ran.append(True)

    ending = await ended(run_of(works, app=App(before=fails)))
    assert (ending.status, ending.error, ran) == (Status.PENDING, "OSError: no", [])
    ending = await ended(run_of(works, app=App(after=fails, on_failure=fails)))
    assert (ending.status, ran) == (Status.COMPLETED, [True])
