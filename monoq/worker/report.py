"""Progress and log lines of a run that are not written yet. Pure, and bounded: a handler that logs
more than is kept loses its oldest lines."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from monoq import codec
from monoq.errors import InvalidJson

MAX_LINES = 1000  # of a job's log
MAX_LOG_BYTES = 64 * 1024
MAX_TEXT = 4000  # characters of a line
MAX_FIELDS = 4000  # of its fields, as JSON
MAX_DOING = 200  # of the text of a progress


class Progress(NamedTuple):
    """How far the job is, from 0 to 1, and what is being done."""

    fraction: float
    text: str
    at: datetime


class Line(NamedTuple):
    """A line of a job's log; `fields` is JSON text, or None."""

    text: str
    fields: str | None
    at: datetime

    @property
    def size(self) -> int:
        """Bytes, as they count for the job's log."""
        return len(self.text.encode()) + len((self.fields or "").encode())


def progress_of(fraction: float, text: str) -> Progress:
    """A progress that can be stored."""
    return Progress(fraction, codec.clean_text(text, MAX_DOING), datetime.now(UTC))


def line_of(text: str, fields: Mapping[str, Any]) -> Line:
    """A line that can be stored: whatever a handler says, it does not fail."""
    return Line(codec.clean_text(text, MAX_TEXT), _fields_text(fields), datetime.now(UTC))


def _fields_text(fields: Mapping[str, Any]) -> str | None:
    if not fields:
        return None
    try:
        written = codec.dumps(fields)
    except InvalidJson:
        written = codec.dumps({codec.clean_text(key): _shown(fields[key]) for key in fields})
    if len(written) > MAX_FIELDS:
        return codec.dumps({"cut": codec.clean_text(written, MAX_FIELDS // 2)})
    return written


def _shown(value: Any) -> str:
    try:
        return codec.clean_text(str(value))
    except Exception:  # noqa: BLE001 - a value may refuse to be shown, in any way
        return type(value).__name__


@dataclass(slots=True)
class Report:
    """What one run has said since it was last written, and what was written before."""

    progress: Progress | None = None
    lines: deque[Line] = field(default_factory=deque)
    size: int = 0  # of these lines
    queued: bool = False  # whether it waits to be written
    written_lines: int = 0
    written_bytes: int = 0
    log_end: int | None = None  # the offset of the last line written

    def add(self, line: Line) -> None:
        """Keeps the newest lines, as many as a job's log may have."""
        self.lines.append(line)
        self.size += line.size
        while len(self.lines) > MAX_LINES or self.size > MAX_LOG_BYTES:
            self.size -= self.lines.popleft().size

    def take(self) -> tuple[Progress | None, list[Line]]:
        """What is to be written now."""
        taken = self.progress, list(self.lines)
        self.progress, self.size, self.queued = None, 0, False
        self.lines.clear()
        return taken
