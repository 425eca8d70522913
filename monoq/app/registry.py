"""Job types and their handlers: what a user's code declares, and what the API and the worker look
up. It must never run a handler."""

import importlib
import inspect
import re
import sys
import traceback
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, overload

from pydantic import PydanticInvalidForJsonSchema, TypeAdapter

from monoq import codec
from monoq.app.backoff import Backoff
from monoq.app.batch import MAX_LINGER_MS, MAX_SIZE, BatchJob, BatchPolicy
from monoq.app.context import JobContext
from monoq.app.pool import Pool
from monoq.errors import ConfigError
from monoq.job import TYPE_PATTERN

F = TypeVar("F", bound=Callable[..., Any])
Lifespan = Callable[[], AbstractAsyncContextManager[Any]]
Generated = Callable[[], AsyncIterator[Any]]
ErrorTypes = tuple[type[BaseException], ...]
Hook = Callable[..., Any]

DEFAULT_MAX_ATTEMPTS = 3
DEFAULT_TIMEOUT_S = 60.0
DECLARED = "__monoq_handlers__"  # the attribute of a function that says what it was declared as


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
        """The JSON schema of the payload; an empty one if pydantic can tell none."""
        try:
            return self.payload.json_schema() if self.payload else {}
        except PydanticInvalidForJsonSchema:
            return {}


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
            taken away. What it raises is logged, and changes nothing.
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
    ) -> Any:
        """Declares the handler of a job type; sync or async. The function stays callable.

        It takes the payload (annotated with a pydantic model, a dataclass or any type pydantic
        knows; plain JSON without annotation) and, if it asks for one, a JobContext. What it returns
        is the job's result: any value that has a JSON form, or an outcome (Retry, Snooze, Cancel,
        Fail). An exception is a failed attempt.

        Args:
            name: The job type; by default the function's name.
            max_attempts: How many runs there may be, the first included.
            timeout: Seconds that each run may take, up to 86,400.
            backoff: The delay between attempts.
            isolated: Runs each job in a child process, which is killed at the timeout.
            retry_on: The exceptions after which there is another attempt; None: all of them.
            give_up_on: The exceptions after which there is none, also if `retry_on` has them.

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
            self._declare(described, retry_on, give_up_on)
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
            self._declare(replace(described, batch=policy), retry_on, give_up_on)
            return function

        return declare

    def _declare(
        self,
        handler: Handler,
        retry_on: ErrorTypes | type[BaseException] | None,
        give_up_on: ErrorTypes | type[BaseException],
    ) -> None:
        _check_hooks(handler, self._hooks)
        name = handler.name
        declared = replace(
            handler,
            retry_on=None if retry_on is None else _error_types(name, "retry_on", retry_on),
            give_up_on=_error_types(name, "give_up_on", give_up_on),
            lifespan=self._lifespan,
            hooks=self._hooks,
        )
        self.add(declared)
        # a bound method or a builtin takes no attributes: it is submitted by its type's name
        with suppress(AttributeError, TypeError):
            there = getattr(handler.function, DECLARED, ())
            setattr(handler.function, DECLARED, (*there, declared))

    def add(self, handler: Handler) -> None:
        """Adds a handler; a second one for the same job type is an error."""
        if handler.name in self.handlers:
            raise ConfigError(f"two handlers for the job type {handler.name!r}")
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


def describe(
    function: Callable[..., Any],
    name: str,
    max_attempts: int,
    timeout: float,
    backoff: Backoff,
    isolated: bool,
) -> Handler:
    """Reads a function's signature into a Handler; raises ConfigError for one that cannot be called
    as a handler."""
    if not re.fullmatch(TYPE_PATTERN, name):
        raise ConfigError(f"{name!r} is no name for a job type: it must match {TYPE_PATTERN}")
    for option, value, kinds in (
        ("max_attempts", max_attempts, int),
        ("timeout", timeout, int | float),
    ):
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ConfigError(f"handler {name!r}: {option} must be a number, not {value!r}")
    if max_attempts < 1 or not 0 < timeout <= 86_400:
        raise ConfigError(
            f"handler {name!r}: max_attempts must be at least 1,"
            " timeout above 0 and at most 86400 seconds"
        )
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    contexts = [
        p
        for p in parameters
        if hints.get(p.name) is JobContext or (p.name == "ctx" and p.name not in hints)
    ]
    payloads = [p for p in parameters if p not in contexts]
    if (
        len(contexts) > 1
        or len(payloads) > 1
        or (contexts and payloads and parameters[0] is contexts[0])
    ):
        raise ConfigError(
            f"handler {name!r} must take (payload), (payload, ctx: JobContext),"
            " (ctx: JobContext) or nothing"
        )
    annotation = hints.get(payloads[0].name, Any) if payloads else Any
    return Handler(
        name=name,
        function=function,
        payload=None if annotation is Any else TypeAdapter(annotation),
        takes_payload=bool(payloads),
        takes_context=bool(contexts),
        is_async=inspect.iscoroutinefunction(function),
        isolated=isolated,
        max_attempts=max_attempts,
        timeout_s=timeout,
        backoff=backoff,
    )


def describe_batch(
    function: Callable[..., Any], name: str, max_attempts: int, timeout: float, backoff: Backoff
) -> Handler:
    """The same for a function that takes a list of BatchJob."""
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters)
    hint = hints.get(parameters[0], list) if len(parameters) == 1 else None
    element = next(iter(typing.get_args(hint)), BatchJob)
    of_batch = typing.get_origin(element) or element
    if hint is None or (typing.get_origin(hint) or hint) is not list or of_batch is not BatchJob:
        raise ConfigError(f"handler {name!r} must take one parameter: jobs: list[BatchJob[...]]")
    if not inspect.iscoroutinefunction(function):
        raise ConfigError(
            f"handler {name!r} must be async: a plain function may be called inside by"
            " asyncio.to_thread"
        )
    annotation = next(iter(typing.get_args(element)), Any)

    def alone(payload: Any) -> None: ...

    alone.__annotations__["payload"] = annotation
    described = describe(alone, name, max_attempts, timeout, backoff, False)
    return replace(described, function=function, is_async=True)


def _error_types(name: str, option: str, given: ErrorTypes | type[BaseException]) -> ErrorTypes:
    types = given if isinstance(given, tuple) else (given,)
    for one in types:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise ConfigError(f"handler {name!r}: {option} has {one!r}: no exception class")
    return types


def _check_hooks(handler: Handler, hooks: Hooks | None) -> None:
    for hook in hooks or ():
        if inspect.iscoroutinefunction(hook) and not handler.is_async:
            raise ConfigError(
                f"handler {handler.name!r} is a plain function, so the hook {hook.__name__!r}"
                " must be one, too"
            )


def load_app(path: str) -> App:
    """Imports `package.module:attribute` (the current directory counts); raises ConfigError in one
    line if that fails."""
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"--app {path!r}: expected package.module:attribute")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # whatever a user's module does at import: it is their line to mend
        raise ConfigError(
            f"--app {path!r}: {type(error).__name__}: {error}{_place(error)}"
        ) from error
    if not isinstance(found, App):
        raise ConfigError(f"--app {path!r}: it is a {type(found).__name__}, not a monoq.App")
    return found


def _place(error: Exception) -> str:
    """The line of the user's that the error came from."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    of_users = [frame for frame in frames[1:] if not frame.filename.startswith("<frozen")]
    of_users = [frame for frame in of_users if "importlib" not in frame.filename]
    return f" ({of_users[-1].filename}, line {of_users[-1].lineno})" if of_users else ""
