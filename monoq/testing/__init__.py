"""Helpers for users' tests: handlers alone, and whole jobs on real engines. It must have no store
of its own: what passes here passes in production."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monoq.testing.clock import advance
    from monoq.testing.draining import drain
    from monoq.testing.engines import Engines
    from monoq.testing.handlers import HandlerRun, run_handler
    from monoq.testing.jobs import assert_not_submitted, assert_submitted, submit
    from monoq.testing.server import serving

__all__ = [
    "Engines",
    "HandlerRun",
    "advance",
    "assert_not_submitted",
    "assert_submitted",
    "drain",
    "run_handler",
    "serving",
    "submit",
]

_LAZY = {
    "Engines": "engines",
    "HandlerRun": "handlers",
    "advance": "clock",
    "assert_not_submitted": "jobs",
    "assert_submitted": "jobs",
    "drain": "draining",
    "run_handler": "handlers",
    "serving": "server",
    "submit": "jobs",
}


def __getattr__(name: str) -> Any:
    """Imports a helper at first use: every pytest of an environment loads the plugin beside it."""
    if module := _LAZY.get(name):
        return getattr(import_module(f"monoq.testing.{module}"), name)
    raise AttributeError(f"module 'monoq.testing' has no attribute {name!r}")
