"""From a decorated function back to its handler. The decorator returns the function itself, so what
it was declared as is kept beside it."""

from collections.abc import Callable
from typing import Any

from monoq.app.handler import DECLARED, Handler
from monoq.errors import ConfigError


def handler_of(function: Callable[..., Any]) -> Handler:
    """The handler that a function was declared as. Raises ConfigError if it is none, or more than
    one."""
    handlers: tuple[Handler, ...] = getattr(function, DECLARED, ())
    if len(handlers) == 1:
        return handlers[0]
    name = getattr(function, "__qualname__", repr(function))
    if not handlers:
        raise ConfigError(f"{name} is not a handler: decorate it with @app.handler, or name a type")
    types = ", ".join(repr(handler.name) for handler in handlers)
    raise ConfigError(f"{name} is the handler of {types}: name the type to submit")
