"""One job type: its function, how its payload is checked, and its policy. Pure values; it must
never run the function."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from pydantic import PydanticInvalidForJsonSchema, TypeAdapter

from monoq import codec
from monoq.app.backoff import Backoff
from monoq.app.batch import BatchPolicy
from monoq.app.pool import Pool

Lifespan = Callable[[], AbstractAsyncContextManager[Any]]
ErrorTypes = tuple[type[BaseException], ...]
Hook = Callable[..., Any]

DECLARED = "__monoq_handlers__"  # the attribute of a function with its handlers


@dataclass(frozen=True, slots=True)
class Hooks:
    """What an App calls around each run of its handlers; see App."""

    before: Hook | None = None
    after: Hook | None = None
    on_failure: Hook | None = None

    def __iter__(self) -> Iterator[Hook]:
        return (hook for hook in (self.before, self.after, self.on_failure) if hook)


@dataclass(frozen=True, slots=True)
class Handler:
    """One job type: the function, how its payload is checked, and its policy."""

    name: str
    function: Callable[..., Any]
    payload: TypeAdapter[Any] | None  # None: the function takes the parsed JSON as it is
    takes_payload: bool
    takes_context: bool
    is_async: bool
    isolated: bool
    max_attempts: int
    timeout_s: float
    backoff: Backoff
    retry_on: ErrorTypes | None = None  # None: any error
    give_up_on: ErrorTypes = ()
    lifespan: Lifespan | None = None  # of the App that declared it
    hooks: "Hooks | None" = None
    callback_url: str | None = None  # who is told of the ends of its jobs
    batch: BatchPolicy | None = None  # the function takes a list of BatchJob
    pool: Pool = field(init=False)  # where its jobs run

    def __post_init__(self) -> None:
        pool = Pool.LOOP if self.is_async else Pool.THREADS
        object.__setattr__(self, "pool", Pool.CHILDREN if self.isolated else pool)

    def is_final(self, error: BaseException) -> bool:
        """Whether an attempt that failed by this error is not to be repeated."""
        if isinstance(error, self.give_up_on):
            return True
        return self.retry_on is not None and not isinstance(error, self.retry_on)

    def parse(self, text: str) -> Any:
        """The payload for the function, from JSON text; raises pydantic.ValidationError."""
        return self.payload.validate_json(text) if self.payload else codec.read(text)

    def plain(self, payload: Any) -> Any:
        """A payload as JSON values that `parse` takes; raises InvalidJson."""
        return codec.payload(payload, self.payload)

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the payload; an empty one if pydantic has none."""
        try:
            return self.payload.json_schema() if self.payload else {}
        except PydanticInvalidForJsonSchema:
            return {}
