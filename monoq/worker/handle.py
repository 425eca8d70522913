"""What a handler may know of its run and do for it: the JobContext, and what stands behind it."""

from collections.abc import Mapping
from typing import Any

from monoq import codec
from monoq.app.context import JobContext
from monoq.errors import ClaimLost, InvalidJson
from monoq.worker.environment import Environment
from monoq.worker.run import Run


class Handle:
    """What a JobContext does for its run."""

    __slots__ = ("_max_result", "_reports", "_run")

    def __init__(self, run: Run, environment: Environment) -> None:
        self._run = run
        self._reports = environment.reports
        self._max_result = environment.max_result

    @property
    def cancelled(self) -> bool:
        return self._run.released or self._run.timed_out or self._run.ended_at > 0

    def progress(self, fraction: float, text: str) -> None:
        self._reports.progress(self._run, fraction, text)

    def log(self, text: str, fields: Mapping[str, Any]) -> None:
        self._reports.log(self._run, text, fields)

    async def finish(self, connection: Any, result: Any) -> None:
        from monoq.store.jobs import JobStore  # not before: a process of isolated jobs needs none

        run = self._run
        if not connection.is_in_transaction():
            raise ValueError("ctx.finish needs a connection inside a transaction")
        text = None if result is None else result_text(result, self._max_result)
        rows = await JobStore(connection).complete_jobs(
            [run.id], [run.claim], [text], run.worker_id
        )
        if not rows:
            raise ClaimLost(f"job {run.id} was cancelled, or is no longer this run's")
        run.finished = (rows[0]["version"], rows[0]["at"])


def context_of(run: Run, environment: Environment) -> JobContext:
    """What the handler may know of its run."""
    return JobContext(
        run.id,
        run.tenant_id,
        run.type,
        run.attempt,
        run.max_attempts,
        run.claim,
        run.deadline,
        environment.state_of(run.handler),
        Handle(run, environment),
    )


def result_text(value: Any, max_result: int) -> str:
    """The result as it is stored; raises InvalidJson for one that cannot be."""
    try:
        text = codec.dumps(value)
    except InvalidJson as error:
        raise InvalidJson(f"the result is not JSON: {error}") from None
    # Not encoded once more unless it may be too long: a character has at most four bytes.
    if 4 * len(text) > max_result and (size := len(text.encode())) > max_result:
        raise InvalidJson(
            f"the result is {size} bytes; at most {max_result} are stored (MONOQ_MAX_RESULT)"
        )
    return text
