"""The folder in which the embedded engines listen. It must be the same for every process that uses
a data folder, whatever its environment, and its path must be short enough for a socket."""

import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from monoq.errors import EmbeddedError

# Characters. The kernel takes 107 for a socket's path, and `/.s.PGSQL.5432.lock` belongs to it.
MAX_SOCKET_FOLDER = 80

# Where short folders are made. Not TMPDIR: it may be too long itself, and two terminals may have
# different ones.
SHORT_PARENT = Path("/tmp")  # noqa: S108 - the folder's owner and mode are checked


def socket_folder(data_dir: Path) -> Path:
    """`run` in the data folder. If that path is too long for a socket, or means something else in a
    URL or a list of folders: a folder with a plain, short name."""
    folder = data_dir / "run"
    if len(str(folder)) <= MAX_SOCKET_FOLDER and re.fullmatch(r"[A-Za-z0-9._/-]+", str(folder)):
        return folder
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return SHORT_PARENT / f"monoq-{os.getuid()}-{name}"


def make(folder: Path) -> None:
    """Makes the folder if it is not there. Raises EmbeddedError if others may enter it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise EmbeddedError(
            f"the folder of the sockets, {folder}, cannot be created: {error.strerror}"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EmbeddedError(f"{folder} must belong to this user and be closed to all others")


def remove(folder: Path) -> None:
    """Removes the folder if nothing is left in it."""
    with suppress(OSError):
        folder.rmdir()
