"""Imports a user's App. Whatever goes wrong in their module must be one line, with its place."""

import importlib
import sys
import traceback
from pathlib import Path

from monoq.app.registry import App
from monoq.errors import ConfigError


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
