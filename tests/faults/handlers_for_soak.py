"""The kinds of ordinary work of `monoq bench mix`, with a ledger: each run says when it begins and
ends, and its result says what it was asked for."""

from collections.abc import Callable
from typing import Any

from faults.handlers_for_faults import note
from monoq import App, JobContext
from monoq.app.handler import Handler
from monoq.bench import handlers as bench
from monoq.bench.handlers import Work

app = App()


def noted(handler: Handler) -> Callable[..., Any]:
    """The same work, in a thread, a child or on the event loop as before."""

    def work(payload: Work, ctx: JobContext) -> Any:
        return handler.function(*((payload, ctx) if handler.takes_context else (payload,)))

    def done(payload: Work, ctx: JobContext) -> dict[str, Any]:
        note(ctx, "end")
        return {"ms": payload.ms, "bytes": len(payload.data)}

    def run(payload: Work, ctx: JobContext) -> Any:
        note(ctx, "start")
        work(payload, ctx)
        return done(payload, ctx)

    async def run_on_the_loop(payload: Work, ctx: JobContext) -> Any:
        note(ctx, "start")
        await work(payload, ctx)
        return done(payload, ctx)

    return run_on_the_loop if handler.is_async else run


for name, handler in bench.app.handlers.items():
    app.handler(
        name,
        max_attempts=handler.max_attempts,
        timeout=handler.timeout_s,
        backoff=handler.backoff,
        isolated=handler.isolated,
    )(noted(handler))
