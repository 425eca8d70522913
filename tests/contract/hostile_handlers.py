"""Handlers that return and raise what no handler should: by name, since most of it could not be
sent as a payload."""

import asyncio
import datetime
import decimal
import enum
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from monoq import App, Backoff, Cancel, Fail, JobContext, Retry, Snooze

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.UTC)


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Model(BaseModel):
    x: Any = 1


class Text(str): ...


class Number(int): ...


class Sly(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items")


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _circle() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


REFUSED = object()
# name → (what is returned, what is stored as the result)
RESULTS: dict[str, tuple[Callable[[], Any], Any]] = {
    "none": (lambda: None, None),
    "a tuple": (lambda: (1, "b"), [1, "b"]),
    "a set": (lambda: {1}, [1]),
    "nan": (lambda: float("nan"), REFUSED),
    "infinity": (lambda: float("-inf"), REFUSED),
    "minus zero": (lambda: -0.0, 0),
    "a large float": (lambda: 1e300, 1e300),
    "2^53": (lambda: 2**53, 2**53),
    "an enum": (lambda: Colour.RED, "red"),
    "a dataclass": (lambda: Point(1), {"x": 1}),
    "a model": (lambda: Model(x=[1]), {"x": [1]}),
    "a datetime": (lambda: NOW, "2026-01-02T03:04:05.000006Z"),
    "a date": (lambda: NOW.date(), "2026-01-02"),
    "a uuid": (lambda: uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "a kind of str": (lambda: Text("x"), "x"),
    "a kind of int": (lambda: Number(7), 7),
    "an emoji": (lambda: "\U0001f389", "\U0001f389"),
    "control characters": (lambda: "\x01\x7f\u2028", "\x01\x7f\u2028"),
    "a megabyte": (lambda: "x" * 10**6, "x" * 10**6),
    "60 levels": (lambda: _deep(60), _deep(60)),
    "2^53 + 1": (lambda: 2**53 + 1, REFUSED),
    "2^64": (lambda: 2**64, REFUSED),
    "10^5000": (lambda: 10**5000, REFUSED),
    "NUL": (lambda: "a\0b", REFUSED),
    "NUL as a key": (lambda: {"\0": 1}, REFUSED),
    "half a pair": (lambda: "\ud800", REFUSED),
    "half a pair as a key": (lambda: {"\udc00": 1}, REFUSED),
    "a number as a key": (lambda: {1: 2}, REFUSED),
    "none as a key": (lambda: {None: 2}, REFUSED),
    "bytes": (lambda: b"bytes", REFUSED),
    "an object": (object, REFUSED),
    "a class": (lambda: Point, REFUSED),
    "a function": (lambda: len, REFUSED),
    "a generator": (lambda: iter([1]), REFUSED),
    "a decimal": (lambda: decimal.Decimal("0.1"), REFUSED),
    "a path": (lambda: Path("/"), REFUSED),
    "a complex number": (lambda: 1j, REFUSED),
    "an exception": (lambda: ValueError("x"), REFUSED),
    "65 levels": (lambda: _deep(65), REFUSED),
    "a thousand levels": (lambda: _deep(1000), REFUSED),
    "a circle": (_circle, REFUSED),
    "a model of something bad": (lambda: Model(x=object()), REFUSED),
}
# where it stands: what is returned, what is stored
AROUND: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "alone": (lambda value: value, lambda value: value),
    "in a list": (lambda value: [0, value], lambda value: [0, value]),
    "in a dict": (lambda value: {"a": {"b": value}}, lambda value: {"a": {"b": value}}),
}
TEXTS = {
    "plain": "boom",
    "empty": "",
    "NUL": "a\0b",
    "half a pair": "x\ud800y\udfff",
    "an emoji": "\U0001f389" * 3000,
    "control": "\x1b[31mred\r\n\x07\x7f\x85",
    "turned round": "\u202egnp.exe",
    "html": "<img src=x onerror=alert(1)>",
    "ten megabytes": "x" * 10_000_000,
    "json": '{"a": "\\u0000"}',
}


class Wordless(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise SystemExit("no words")


class Wrong(Exception):  # noqa: N818
    def __str__(self) -> str:
        return 7  # type: ignore[return-value] # on purpose


class WordlessFail(Fail):
    def __str__(self) -> str:
        raise ValueError("no words")


# name → what is raised; FAILED or CANCELLED is what becomes of the job
RAISED: dict[str, tuple[Callable[[], BaseException], str]] = {
    **{
        f"an error, {name}": (partial(RuntimeError, text), "FAILED") for name, text in TEXTS.items()
    },
    **{f"fail, {name}": (partial(Fail, text), "FAILED") for name, text in TEXTS.items()},
    **{f"cancel, {name}": (partial(Cancel, text), "CANCELLED") for name, text in TEXTS.items()},
    **{f"retry, {name}": (partial(Retry, text, delay=0), "FAILED") for name, text in TEXTS.items()},
    "no arguments": (ValueError, "FAILED"),
    "a thousand arguments": (lambda: ValueError(*range(1000)), "FAILED"),
    "an error without words": (Wordless, "FAILED"),
    "an error with wrong words": (Wrong, "FAILED"),
    "a fail without words": (lambda: WordlessFail("x"), "FAILED"),
    "a group": (
        lambda: ExceptionGroup("many", [ValueError("\0"), RuntimeError("\ud800")]),
        "FAILED",
    ),
    "a retry that has no number": (
        lambda: Retry("x", delay="soon"),  # type: ignore[arg-type] # on purpose
        "FAILED",
    ),
    "a retry never": (lambda: Retry("x", delay=float("nan")), "FAILED"),
    "a snooze for nan": (lambda: Snooze(float("nan")), "FAILED"),
    "the loop's end": (lambda: StopIteration("done"), "FAILED"),
    "the async loop's end": (StopAsyncIteration, "FAILED"),
    "a cancellation of its own": (lambda: asyncio.CancelledError("mine"), "FAILED"),
    "a timeout": (TimeoutError, "FAILED"),
    "an exit": (lambda: SystemExit("\0"), "FAILED"),
    "an interrupt": (KeyboardInterrupt, "FAILED"),
    "a closed generator": (GeneratorExit, "FAILED"),
    "memory": (MemoryError, "FAILED"),
    "recursion": (RecursionError, "FAILED"),
    "a hostile name": (type("E\n<b>", (Exception,), {}), "FAILED"),
}

app = App()
QUICK = Backoff(base=0.01, max=0.05)


def _do(payload: list[str]) -> Any:
    what, name, *around = payload
    if what == "raise":
        raise RAISED[name][0]()
    return AROUND[around[0]][0](RESULTS[name][0]())


@app.handler("hostile", max_attempts=2, timeout=30, backoff=QUICK)
async def hostile(payload: list[str], ctx: JobContext) -> Any:
    return _do(payload)


@app.handler("hostile-in-thread", max_attempts=2, timeout=30, backoff=QUICK)
def hostile_in_thread(payload: list[str], ctx: JobContext) -> Any:
    return _do(payload)


@app.handler("hostile-apart", max_attempts=2, timeout=30, backoff=QUICK, isolated=True)
def hostile_apart(payload: list[str], ctx: JobContext) -> Any:
    return _do(payload)
