"""Sets logging up, once per process, and formats records: for people, or as JSON. Modules and
handlers log through `logging.getLogger(__name__)` and must never configure it. A record is one
line, whatever it contains, and shows no secret."""

import logging
import re
import sys
import threading
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Literal, Protocol

import orjson
import structlog
from structlog.typing import EventDict, Processor

Form = Literal["console", "json"]

MAX_TEXT = 4000  # characters of a message
MAX_FIELD = 1000  # of any other field
MAX_TRACEBACK = 12_000
MAX_FIELDS = 40

_SECRET_NAMES = (
    "pass(?:word|wd|phrase)",
    "secret",
    "token(?!s)",
    "authorization",
    "cookie",
    "api[_-]?key",
    "credential",
)
SECRET = "|".join(_SECRET_NAMES)
_SECRET_KEY = re.compile(SECRET, re.IGNORECASE)
_SECRET_IN_TEXT = re.compile(
    rf"""((?:{SECRET})["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|(?:Bearer |Basic )?[^\s,;&"'}})\]]+)""",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]*@")
# What moves a cursor, ends a line or is no character: C0, DEL, C1, the separators of lines and
# paragraphs, half surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class RunOfAJob(Protocol):
    """What a record that was made during a run says of it."""

    id: Any
    tenant_id: str
    type: str
    attempt: int
    worker_id: int


# Set for each run at its start, and read only if a record is made. A task or thread that the
# handler starts inherits it.
current_run: ContextVar[RunOfAJob | None] = ContextVar("current_run", default=None)


def configure(level: str, form: Form = "console") -> None:
    """Writes records of `level` and above, and uncaught exceptions, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(form, colors=form == "console" and sys.stderr.isatty()))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda what: _uncaught(what.exc_type, what.exc_value, what.exc_traceback)
    threading.excepthook = lambda what: _uncaught(what.exc_type, what.exc_value, what.exc_traceback)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, form: Form, *, colors: bool) -> None:
        before: list[Processor] = [
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
        ]
        shown: list[Processor] = [
            self.remove_processors_meta,
            _add_run,
            _clean,
            structlog.processors.TimeStamper("iso", utc=True)
            if form == "json"
            else structlog.processors.TimeStamper("%Y-%m-%d %H:%M:%S.%f", utc=False),
        ]
        if form == "json":
            shown += [_in_order, structlog.processors.JSONRenderer(_json)]
        else:
            plain = structlog.dev.plain_traceback
            shown += [
                _indent,
                structlog.dev.ConsoleRenderer(
                    colors=colors, pad_event_to=0, sort_keys=False, exception_formatter=plain
                ),
            ]
        super().__init__(foreign_pre_chain=before, processors=shown)

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        # a wrong number of arguments, a `__str__` that fails: logging would print a traceback
        except Exception as error:  # noqa: BLE001
            record = logging.makeLogRecord(
                {"name": record.name, "levelno": record.levelno, "levelname": record.levelname}
            )
            record.msg, record.args = "a record could not be formatted: %s", (type(error).__name__,)
            return super().format(record)


def _add_run(_: Any, __: str, event: EventDict) -> EventDict:
    if run := current_run.get():
        event.update(
            job=str(run.id),
            tenant=run.tenant_id,
            type=run.type,
            attempt=run.attempt,
            worker=run.worker_id,
        )
    return event


def _clean(_: Any, __: str, event: EventDict) -> EventDict:
    """Shortens every field and removes secrets and control characters; a traceback keeps its
    lines."""
    cleaned: dict[str, Any] = {}
    for name, value in list(event.items())[:MAX_FIELDS]:
        if name in ("exception", "stack"):
            cleaned[name] = "\n".join(
                _one_line(line, MAX_TEXT) for line in _ends_of(str(value)).split("\n")
            )
        elif _SECRET_KEY.search(str(name)):
            cleaned[_one_line(str(name), 100)] = "***"
        elif isinstance(value, bool | float | None) or (
            isinstance(value, int) and abs(value) < 2**63
        ):
            cleaned[_one_line(str(name), 100)] = value
        else:
            cleaned[_one_line(str(name), 100)] = _one_line(
                str(value), MAX_TEXT if name == "event" else MAX_FIELD
            )
    return cleaned


def _one_line(text: str, limit: int) -> str:
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    text = _SECRET_IN_TEXT.sub(r"\1***", _URL_PASSWORD.sub(r"\1:***@", text))
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _ends_of(text: str) -> str:
    """The beginning and the end of a traceback that is too long."""
    if len(text) <= MAX_TRACEBACK:
        return text
    beginning, end = text[: MAX_TRACEBACK // 3], text[-2 * MAX_TRACEBACK // 3 :]
    return f"{beginning}\n  … {len(text) - MAX_TRACEBACK} characters …\n{end}"


def _in_order(_: Any, __: str, event: EventDict) -> EventDict:
    first = {
        name: event.pop(name) for name in ("timestamp", "level", "logger", "event") if name in event
    }
    return first | dict(event)


def _json(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event).decode()


def _indent(_: Any, __: str, event: EventDict) -> EventDict:
    """Indents the lines of a traceback, so that none looks like a record."""
    for name in ("exception", "stack"):
        if name in event:
            event[name] = "\n".join("    " + line for line in event[name].split("\n"))
    return event


def _uncaught(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("monoq").critical(
        "uncaught exception", exc_info=(kind, error or kind(), traceback)
    )
