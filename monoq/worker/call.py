"""Calls a handler and turns whatever happens into an Ending. It must do no IO of its own and let
nothing escape."""

import asyncio
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from monoq import codec
from monoq.app.batch import BatchJob, outcomes_of
from monoq.app.context import JobContext
from monoq.app.handler import Hook
from monoq.app.outcome import Cancel, Outcome, Retry, Snooze
from monoq.errors import InvalidJson
from monoq.job import Status
from monoq.worker.environment import Environment
from monoq.worker.handle import context_of, result_text
from monoq.worker.run import COMPLETED, RELEASED, Ending, Run

log = logging.getLogger(__name__)

MAX_TRACEBACK = 16 * 1024  # characters
MAX_FRAMES = 50  # the innermost
MAX_DELAY_S = 366 * 86_400.0
UNEXPECTED_MS = 1000  # before another attempt of a run whose end is unknown

InThread = Callable[..., Awaitable[Any]]


async def end_of(run: Run, in_thread: InThread, environment: Environment) -> Ending:
    """Runs the job's handler, and the hooks of its App: an async one here, a plain function by
    `in_thread(function, *args)`."""
    if run.handler.hooks is None:
        return await _end_of(run, in_thread, environment)
    context = context_of(run, environment)
    ending = await before(run, context) or await _end_of(run, in_thread, environment)
    await after(run, context, ending)
    return ending


async def before(run: Run, context: JobContext) -> Ending | None:
    """Calls the hook of before a run; a failed attempt if it raises."""
    try:
        await _call_hook(run.handler.hooks.before if run.handler.hooks else None, context)
    except BaseException as error:  # noqa: BLE001 - a hook may raise anything, as a handler may
        return raised(run, error)
    return None


async def after(run: Run, context: JobContext, ending: Ending) -> None:
    """Calls the hooks of after a run, unless its job was taken away."""
    hooks = run.handler.hooks
    if hooks is None or run.released:
        return
    try:
        if ending.status is Status.FAILED:
            await _call_hook(hooks.on_failure, context, ending.error)
        await _call_hook(hooks.after, context)
    except BaseException:
        log.warning("a hook failed after job %s of type %s", run.id, run.type, exc_info=True)


async def _call_hook(hook: Hook | None, *args: Any) -> None:
    if hook and inspect.isawaitable(called := hook(*args)):
        await called


def parsed(run: Run) -> Any:
    """The payload for the handler; an Ending if it does not fit."""
    # it may be large, and the handler has its own form of it
    text, run.payload = run.payload, ""
    try:
        return run.handler.parse(text)
    except ValidationError as error:  # the same one from inside the handler is a failed attempt
        return _failed(f"the payload does not fit its handler: {error}")
    except BaseException as error:  # noqa: BLE001 - a validator may raise anything
        return raised(run, error)


async def _end_of(run: Run, in_thread: InThread, environment: Environment) -> Ending:
    handler = run.handler
    args: list[Any] = []
    if handler.takes_payload:
        payload = parsed(run)
        if isinstance(payload, Ending):
            return payload
        args.append(payload)
        del payload
    try:
        if handler.takes_context:
            args.append(context_of(run, environment))
        if handler.batch:  # it runs alone
            job = BatchJob(args[0], context_of(run, environment))
            (outcome,) = outcomes_of(await handler.function([job]), [job])
        else:
            outcome = await (
                handler.function(*args)
                if handler.is_async
                else in_thread(_called, handler.function, *args)
            )
        return ending_of(run, outcome, environment)
    except BaseException as error:  # noqa: BLE001 - anything; signals do not arrive as exceptions
        return raised(run, error)


def ending_of(run: Run, outcome: Any, environment: Environment) -> Ending:
    """How a run ends whose handler has returned this: a result, an Outcome or, in a batch, an
    exception."""
    if run.finished:
        return _finished(run, run.finished)
    if outcome is None:
        return COMPLETED
    if isinstance(outcome, Outcome) or (run.handler.batch and isinstance(outcome, BaseException)):
        return raised(run, outcome)
    return _completed(outcome, environment.max_result)


def raised(run: Run, error: BaseException) -> Ending:
    """How a run ends whose handler has raised."""
    if isinstance(error, Outcome):
        return _asked_ending(run, error)
    if isinstance(error, asyncio.CancelledError):
        if run.timed_out:
            return timed_out(run)
        # A handler may raise it by itself, cancel its own task, or await something that was
        # cancelled. Releasing such a run would repeat it for ever. The number of cancellations of
        # its task proves nothing, since handlers can cancel it too.
        return RELEASED if run.released else failed_attempt(run, _described(error))
    log.debug("a handler failed", exc_info=error)
    text = _described(error)
    ending = _failed(text) if run.handler.is_final(error) else failed_attempt(run, text)
    return ending._replace(traceback=_traceback(error))


def still_cancelled(task: "asyncio.Task[Any]") -> bool:
    """Whether a cancellation of this task is still pending: it would interrupt the next await."""
    # Up to Python 3.12 a cancel() is delivered even after uncancel().
    return task.cancelling() > 0 or bool(getattr(task, "_must_cancel", False))


def failed_attempt(run: Run, error: str, delay_s: float | None = None, lost: int = 0) -> Ending:
    """A failed attempt runs again after its backoff; the last one is the end."""
    error = codec.clean_text(error)
    if run.attempt >= run.max_attempts:
        return Ending(Status.FAILED, error=error, lost=lost)
    delay_s = run.handler.backoff.delay(run.attempt) if delay_s is None else delay_s
    return Ending(Status.PENDING, error=error, delay_ms=_milliseconds(delay_s), lost=lost)


def unexpected(run: Run, error: BaseException) -> Ending:
    """For a run whose end even `end_of` could not determine, for example because its handler's
    backoff raises. Calls nothing of the handler."""
    log.error("the end of job %s of type %s cannot be reported", run.id, run.type, exc_info=error)
    text = codec.clean_text(_described(error))
    if run.attempt >= run.max_attempts:
        return Ending(Status.FAILED, error=text)
    return Ending(Status.PENDING, error=text, delay_ms=UNEXPECTED_MS)


def timed_out(run: Run) -> Ending:
    """The attempt took too long."""
    return failed_attempt(run, f"timed out after {run.timeout_s:g} s")


def _completed(value: Any, max_result: int) -> Ending:
    """Another run would bring the same result: what cannot be stored has failed for good."""
    try:
        return Ending(Status.COMPLETED, result=result_text(value, max_result))
    except InvalidJson as error:
        return _failed(str(error))


def _finished(run: Run, finished: tuple[int, float]) -> Ending:
    """The handler's own transaction has written the end. This one is written after it, and counts
    only if that transaction was not committed."""
    told = "ctx.finish was called, but its transaction was not committed"
    return failed_attempt(run, told)._replace(finished=finished)


def _failed(error: str) -> Ending:
    return Ending(Status.FAILED, error=codec.clean_text(error))


def _called(function: Callable[..., Any], *args: Any) -> Any:
    """Runs in a thread. Both exceptions have another meaning for a task that awaits a future: it
    would never see the end."""
    try:
        return function(*args)
    except (StopIteration, GeneratorExit) as error:
        raise RuntimeError(_described(error)) from error


def _asked_ending(run: Run, outcome: Outcome) -> Ending:
    try:
        match outcome:
            case Snooze(delay=delay):
                return Ending(Status.PENDING, delay_ms=_milliseconds(delay), attempts_back=1)
            case Retry(delay=delay):
                return failed_attempt(
                    run, str(outcome), None if delay is None else _milliseconds(delay) / 1000
                )
            case Cancel():
                return Ending(Status.CANCELLED, error=codec.clean_text(str(outcome)))
            case _:  # Fail, and whatever a subclass may mean
                return _failed(str(outcome))
    except Exception as error:  # noqa: BLE001 - a delay that is no number, a subclass without words
        return failed_attempt(run, _described(error))


def _described(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - its own __str__ may fail, too, in any way
        return type(error).__name__


def _traceback(error: BaseException) -> str | None:
    """Where it was raised, the last MAX_TRACEBACK characters; None for one that cannot be shown."""
    try:
        lines = traceback.format_exception(error, limit=-MAX_FRAMES)
    except BaseException:  # noqa: BLE001 - an error may refuse to be shown, in any way
        return None
    return codec.clean_text("".join(lines)[-MAX_TRACEBACK:], limit=MAX_TRACEBACK)


def _milliseconds(seconds: float) -> int:
    """Raises ValueError or TypeError for what is no number."""
    return int(min(max(seconds, 0.0), MAX_DELAY_S) * 1000)
