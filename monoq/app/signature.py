"""Reads functions into handlers. What cannot be called as a handler must be refused here, with what
to change."""

import inspect
import re
import typing
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from monoq.app.backoff import Backoff
from monoq.app.batch import BatchJob
from monoq.app.context import JobContext
from monoq.app.handler import ErrorTypes, Handler, Hooks
from monoq.errors import ConfigError
from monoq.job import CALLBACK_PATTERN, MAX_CALLBACK, TYPE_PATTERN


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
        raise ConfigError(f"{name!r} is not a valid job type: it must match {TYPE_PATTERN}")
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
            f"handler {name!r} must be async: call a plain function inside it with"
            " asyncio.to_thread"
        )
    annotation = next(iter(typing.get_args(element)), Any)

    def alone(payload: Any) -> None: ...

    alone.__annotations__["payload"] = annotation
    described = describe(alone, name, max_attempts, timeout, backoff, False)
    return replace(described, function=function, is_async=True)


def error_types(name: str, option: str, given: ErrorTypes | type[BaseException]) -> ErrorTypes:
    """Exception classes as a tuple; raises ConfigError for anything else."""
    types = given if isinstance(given, tuple) else (given,)
    for one in types:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise ConfigError(
                f"handler {name!r}: {option} has {one!r}, which is not an exception class"
            )
    return types


def check_callback(name: str, url: str | None) -> None:
    """Raises ConfigError for what PostgreSQL could not store as the URL of a type's callbacks."""
    if url is None:
        return
    if name == "webhook":
        raise ConfigError(
            "handler 'webhook' takes no callback_url: a callback is a webhook itself, and its end"
            " would make the next one"
        )
    if (
        not isinstance(url, str)
        or len(url) > MAX_CALLBACK
        or not re.fullmatch(CALLBACK_PATTERN, url)
    ):
        raise ConfigError(
            f"handler {name!r}: callback_url must be an http:// or https:// URL of at most"
            f" {MAX_CALLBACK} ASCII characters, not {url!r}"
        )


def check_hooks(handler: Handler, hooks: Hooks | None) -> None:
    """Raises ConfigError for a hook that a handler cannot wait for."""
    for hook in hooks or ():
        if inspect.iscoroutinefunction(hook) and not handler.is_async:
            raise ConfigError(
                f"handler {handler.name!r} is a plain function, so the hook {hook.__name__!r}"
                " must be one too"
            )
