"""What a process calls its handlers with, beside their payload: one for all its runs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from monoq.app.handler import Handler, Lifespan
from monoq.worker.run import Run

States = dict[Lifespan, Any]


class Reports(Protocol):
    """Takes what runs say of themselves; by any thread, and returns at once."""

    def progress(self, run: Run, fraction: float, text: str) -> None: ...
    def log(self, run: Run, text: str, fields: Mapping[str, Any]) -> None: ...


@dataclass
class Environment:
    """`max_result`: bytes of a result, at most. `states`: what the lifespans have yielded."""

    max_result: int
    reports: Reports
    states: States = field(default_factory=dict)

    def state_of(self, handler: Handler) -> Any:
        """The `ctx.state` of a handler."""
        return self.states.get(handler.lifespan) if handler.lifespan else None


@asynccontextmanager
async def lifespans(*handlers: Handler) -> AsyncIterator[States]:
    """Enters each lifespan of these handlers once, in order, and leaves them in reverse."""
    async with AsyncExitStack() as entered:
        states: States = {}
        for lifespan in dict.fromkeys(handler.lifespan for handler in handlers if handler.lifespan):
            states[lifespan] = await entered.enter_async_context(lifespan())
        yield states
