"""An App: the handlers of a user's job types, and what they share. It must never run a handler."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Literal, TypeVar, cast, overload

from monoq.app.backoff import Backoff
from monoq.app.batch import MAX_LINGER_MS, MAX_SIZE, BatchPolicy
from monoq.app.handler import DECLARED, ErrorTypes, Handler, Hook, Hooks, Lifespan
from monoq.app.pool import Pool
from monoq.app.signature import check_callback, check_hooks, describe, describe_batch, error_types
from monoq.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])
Generated = Callable[[], AsyncIterator[Any]]

DEFAULT_MAX_ATTEMPTS = 3
DEFAULT_TIMEOUT_S = 60.0


class App:
    """A set of handlers by job type. `monoq serve --app package.module:app` serves those of one
    App.

    Args:
        lifespan: An async generator function that yields once, or a function that returns an async
            context manager; without arguments. Each worker process enters it once, before its first
            job, and leaves it after its last one. What it yields is `ctx.state` of this App's
            handlers: the place for connection pools. It runs in the event loop of the async
            handlers; for an isolated job, in its child process.
        before: Called with the JobContext before each run. If it raises, the attempt has failed.
        after: Called with the JobContext after each run, however it ended, unless the job was
            taken away. An exception in it is logged and changes nothing.
        on_failure: Called with the JobContext and the text of the error when a run ends its job as
            FAILED. A job whose process was killed ends without it. What it raises is logged.

    Hooks run where the handler runs. One that is async serves async handlers only; a plain one is
    called in the event loop of an async handler, so it must be quick.

    Raises ConfigError for a lifespan that is neither, and for a hook that cannot be called.

    >>> async def lifespan() -> AsyncIterator[asyncpg.Pool]:
    ...     async with asyncpg.create_pool(URL) as pool:
    ...         yield pool
    >>> app = App(lifespan=lifespan)
    >>> @app.handler("send_email", max_attempts=5, timeout=30)
    ... async def send_email(payload: Email, ctx: JobContext) -> dict: ...
    """

    def __init__(
        self,
        *,
        lifespan: Lifespan | Generated | None = None,
        before: Hook | None = None,
        after: Hook | None = None,
        on_failure: Hook | None = None,
    ) -> None:
        self.handlers: dict[str, Handler] = {}
        if inspect.isasyncgenfunction(lifespan):
            lifespan = asynccontextmanager(lifespan)
        elif lifespan is not None and (
            not callable(lifespan) or inspect.iscoroutinefunction(lifespan)
        ):
            raise ConfigError(
                "lifespan must be an async generator function that yields once,"
                " or a function that returns an async context manager"
            )
        for name, hook in (("before", before), ("after", after), ("on_failure", on_failure)):
            if hook is not None and not callable(hook):
                raise ConfigError(f"{name} must be a function, not {hook!r}")
        hooks = Hooks(before, after, on_failure)
        self._hooks = hooks if any(hooks) else None
        self._lifespan = cast("Lifespan | None", lifespan)

    @overload
    def handler(self, name: F, /) -> F: ...
    @overload
    def handler(
        self,
        name: str | None = None,
        /,
        *,
        max_attempts: int = ...,
        timeout: float = ...,
        backoff: Backoff = ...,
        isolated: bool = ...,
        retry_on: ErrorTypes | type[BaseException] | None = ...,
        give_up_on: ErrorTypes | type[BaseException] = ...,
        callback_url: str | None = ...,
    ) -> Callable[[F], F]: ...

    def handler(
        self,
        name: str | Callable[..., Any] | None = None,
        /,
        *,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        timeout: float = DEFAULT_TIMEOUT_S,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        isolated: bool = False,
        retry_on: ErrorTypes | type[BaseException] | None = None,
        give_up_on: ErrorTypes | type[BaseException] = (),
        callback_url: str | None = None,
    ) -> Any:
        """Declares the handler of a job type; sync or async. The function stays callable.

        It takes the payload (annotated with a pydantic model, a dataclass or any type pydantic
        knows; plain JSON without annotation) and, if it asks for one, a JobContext. What it returns
        is the job's result: any value that has a JSON form, or an outcome (Retry, Snooze, Cancel,
        Fail). An exception is a failed attempt.

        Args:
            name: The job type; by default the function's name.
            max_attempts: Maximum number of runs, including the first.
            timeout: Seconds that each run may take, up to 86,400.
            backoff: The delay between attempts.
            isolated: Runs each job in a child process, which is killed at the timeout.
            retry_on: The exceptions after which there is another attempt; None: all of them.
            give_up_on: The exceptions after which there is none, also if `retry_on` has them.
            callback_url: Gets a signed webhook when a job of this type has ended, however it
                ends; a job's own callback_url goes before it.

        Raises ConfigError for a name, a policy or a function that cannot be a handler.

        >>> @app.handler("send_email", max_attempts=5, timeout=30)
        ... async def send_email(payload: Email, ctx: JobContext) -> dict: ...
        """
        if callable(name):
            return self.handler()(name)

        def declare(function: F) -> F:
            described = describe(
                function, name or function.__name__, max_attempts, timeout, backoff, isolated
            )
            self._declare(described, retry_on, give_up_on, callback_url)
            return function

        return declare

    def batch_handler(
        self,
        name: str,
        /,
        *,
        max_size: int = 50,
        linger_ms: int = 20,
        by: Literal["tenant"] | None = "tenant",
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        timeout: float = DEFAULT_TIMEOUT_S,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        retry_on: ErrorTypes | type[BaseException] | None = None,
        give_up_on: ErrorTypes | type[BaseException] = (),
        callback_url: str | None = None,
    ) -> Callable[[F], F]:
        """Declares an async handler that takes many jobs in one call, as a list of BatchJob.

        It returns the outcome of each job: a dict by job id, or a list in the order of the jobs.
        An outcome is a result, an outcome such as `Retry`, or an exception: a failed attempt of
        that job alone. None for the whole: all are done.

        If the call raises, or takes too long, the handler is called again with halves of the jobs,
        until it is known which job is to blame. Only that one is charged; the others run to their
        end. So a job may be in several calls. A suspect runs alone.

        Args:
            max_size: Jobs in a call, at most; up to 1,000.
            linger_ms: How long the first job waits for others, up to 200 ms.
            by: "tenant": the jobs of a call are of one tenant; None: of any.
            timeout: Seconds that each call may take, up to 86,400.

        The others are as for `handler`. Raises ConfigError.

        >>> @app.batch_handler("index", max_size=50, linger_ms=20)
        ... async def index(jobs: list[BatchJob[Document]]) -> dict[UUID, Any]: ...
        """
        if not (isinstance(max_size, int) and 1 <= max_size <= MAX_SIZE):
            raise ConfigError(f"handler {name!r}: max_size must be a number from 1 to {MAX_SIZE}")
        if not 0 <= linger_ms <= MAX_LINGER_MS:
            raise ConfigError(f"handler {name!r}: linger_ms must be from 0 to {MAX_LINGER_MS}")
        if by not in ("tenant", None):
            raise ConfigError(f"handler {name!r}: by must be 'tenant' or None, not {by!r}")

        def declare(function: F) -> F:
            described = describe_batch(function, name, max_attempts, timeout, backoff)
            policy = BatchPolicy(max_size, linger_ms / 1000, by == "tenant")
            described = replace(described, batch=policy)
            self._declare(described, retry_on, give_up_on, callback_url)
            return function

        return declare

    def _declare(
        self,
        handler: Handler,
        retry_on: ErrorTypes | type[BaseException] | None,
        give_up_on: ErrorTypes | type[BaseException],
        callback_url: str | None,
    ) -> None:
        check_hooks(handler, self._hooks)
        name = handler.name
        check_callback(name, callback_url)
        declared = replace(
            handler,
            retry_on=None if retry_on is None else error_types(name, "retry_on", retry_on),
            give_up_on=error_types(name, "give_up_on", give_up_on),
            lifespan=self._lifespan,
            hooks=self._hooks,
            callback_url=callback_url,
        )
        self.add(declared)
        # a bound method or a builtin takes no attributes: it is submitted by its type's name
        with suppress(AttributeError, TypeError):
            there = getattr(handler.function, DECLARED, ())
            setattr(handler.function, DECLARED, (*there, declared))

    def add(self, handler: Handler) -> None:
        """Adds a handler; a second one for the same job type is an error."""
        if handler.name in self.handlers:
            raise ConfigError(f"the job type {handler.name!r} has two handlers")
        self.handlers[handler.name] = handler

    def include(self, other: "App", *, missing_only: bool = False) -> None:
        """Adds all handlers of another App; with `missing_only` those of types that this one has no
        handler for. They keep that App's lifespan."""
        for handler in other.handlers.values():
            if not (missing_only and handler.name in self.handlers):
                self.add(handler)

    def get(self, name: str) -> Handler | None:
        """The handler of a job type, or None."""
        return self.handlers.get(name)

    def types_of(self, pool: Pool) -> list[str]:
        """The job types that run in a pool."""
        return [handler.name for handler in self.handlers.values() if handler.pool is pool]

    def __iter__(self) -> Iterator[Handler]:
        return iter(self.handlers.values())
