"""Where a CSV comes from: its text, a URL, or a file of an allowed folder; in the end an open file.
It must open nothing outside of that folder, and call nothing but through the guard."""

import errno
import os
import stat
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from monoq.app.context import JobContext
from monoq.app.outcome import Fail, Retry
from monoq.errors import CallFailed, RefusedUrl
from monoq.handlers.csv_profile.payload import CsvProfile
from monoq.outgoing.outgoing import Outgoing

MARGIN_S = 2.0  # of the run's time, which is not for the download


@dataclass(frozen=True)
class Sources:
    """`files_dir`: "" if no files are read. `max_bytes`: of a download or a file."""

    outgoing: Outgoing
    files_dir: str
    max_bytes: int

    @asynccontextmanager
    async def open(self, payload: CsvProfile, ctx: JobContext) -> AsyncIterator[int]:
        """The descriptor of a file with the CSV; raises Fail or Retry."""
        if payload.path is not None:
            with self._of_the_folder(payload.path) as descriptor:
                yield descriptor
            return
        with tempfile.TemporaryFile(prefix="monoq-csv-") as file, _room_for(file.name):
            if payload.url is not None:
                async for part in self._download(payload.url, ctx):
                    file.write(part)
            else:
                file.write((payload.csv or "").encode())
            file.flush()
            yield file.fileno()

    async def _download(self, url: str, ctx: JobContext) -> AsyncIterator[bytes]:
        size = 0
        left_s = max(1.0, ctx.deadline - time.monotonic() - MARGIN_S)
        try:
            async with self.outgoing.download(
                url, max_bytes=self.max_bytes, timeout=left_s
            ) as parts:
                async for part in parts:
                    yield part
                    size += len(part)
                    ctx.progress(0.0, f"downloading: {size / 1e6:.0f} MB")
        except RefusedUrl as error:
            raise Fail(f"the URL may not be called: {error}") from None
        except CallFailed as error:
            raise Retry(f"the download failed: {error}") from error

    @contextmanager
    def _of_the_folder(self, path: str) -> Iterator[int]:
        if not self.files_dir:
            raise Fail("files cannot be read: set MONOQ_FILES_DIR to a folder")
        descriptor = open_inside(Path(self.files_dir), path)
        try:
            size = os.fstat(descriptor).st_size
            if size > self.max_bytes:
                raise Fail(f"the file is {size} bytes; at most {self.max_bytes} are read")
            yield descriptor
        finally:
            os.close(descriptor)


def open_inside(folder: Path, path: str) -> int:
    """Opens a file of a folder for reading; raises Fail for what is not there, no file, or outside.

    A link may lead anywhere and change at any moment, so the file is opened first, and then asked
    where it is.
    """
    root = os.path.realpath(folder)
    try:
        descriptor = os.open(
            Path(root, path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Fail(f"{path} cannot be opened: {reason}") from None
    try:
        is_inside = Path(_path_of(descriptor)).is_relative_to(root)
        # one error for both: the caller must not learn what exists elsewhere
        if not is_inside or not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Fail(f"{path} is not a file in the folder of MONOQ_FILES_DIR")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _path_of(descriptor: int) -> str:
    """Where an open file is, without links."""
    if sys.platform == "darwin":
        import fcntl

        return fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0").decode()
    return os.readlink(f"/proc/self/fd/{descriptor}")


@contextmanager
def _room_for(name: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise Retry(f"no room for the CSV in {tempfile.gettempdir()} (TMPDIR)") from error
