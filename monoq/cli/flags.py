"""What the commands that run here have in common: flags of settings, and the engines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from monoq.compose.start import engine_urls
from monoq.config import Settings, env_names
from monoq.process.exit import interrupt, on_signals

C = TypeVar("C", bound=Callable[..., Any])


def setting(name: str, **kwargs: Any) -> Callable[[C], C]:
    """A flag for a setting. Its default is the one in Settings."""
    described = f"{Settings.model_fields[name].description}  [env: {', '.join(env_names(name))}]"
    return click.option(f"--{name.replace('_', '-')}", name, default=None, help=described, **kwargs)


@contextmanager
def engines_of(settings: Settings, *, redis: bool = True) -> Iterator[tuple[str, str]]:
    """The URLs of the engines. Whatever signal ends the command, embedded engines are released:
    SIGTERM and a closed terminal work like Ctrl-C."""
    with on_signals(interrupt), engine_urls(settings, redis=redis) as urls:
        yield urls
