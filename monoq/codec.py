"""The one JSON codec: every payload, result, message and frame passes through it. It must never let
through a value that Postgres, Python or a browser would refuse or change later."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

import jiter
import orjson
from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticSerializationError

from monoq.errors import InvalidJson

# below every reader's limit: jiter 200, orjson 254 when writing, PostgreSQL about 6,000
MAX_DEPTH = 64
MAX_SAFE_INTEGER = 2**53  # beyond it a browser rounds
# characters by which a value may grow when it is read: a claim reads hundreds of values at once
MAX_GROWTH = 64 * 1024
# bytes; of all numbers 1e+308 grows most for its length: from 6 to 309
SHORT_TEXT = 1024

_LONG_NUMBER = re.compile(r"[0-9]{16}")
_KNOWN = (
    "use None, bool, numbers, str, lists, dicts with str as keys, dataclasses, pydantic models,"
    " datetimes, UUIDs or enums"
)
_FINITE = {str, int, bool, type(None)}
# Each byte as its role in a number, and each bracket as square; all else is irrelevant.
_KINDS = {
    **dict.fromkeys(b"0123456789", ord("0")),
    **dict.fromkeys(b"eE", ord("e")),
    **dict.fromkeys(b"+-", ord("-")),
}
_IN_NUMBERS = bytes(_KINDS.get(byte, ord(" ")) for byte in range(256))
_SQUARE = bytes({ord("{"): ord("["), ord("}"): ord("]")}.get(byte, byte) for byte in range(256))
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_PIECE = 1 << 20  # of a text at once: a look at megabytes holds up all other threads
_LONGEST_MARK = 16


def loads(text: bytes | str) -> Any:
    """Parses strict JSON (RFC 8259, UTF-8 without a byte order mark, no duplicate keys).

    Raises InvalidJson for anything else, and for what could not be read again: NUL, integers beyond
    2^53, infinite floats, nesting deeper than 64.
    """
    if isinstance(text, str):
        try:
            text = text.encode()
        except UnicodeEncodeError:
            raise InvalidJson("text with a lone surrogate") from None
    try:
        value = jiter.from_json(text, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise InvalidJson(str(error)) from None
    if _may_be_unfit(text):
        _check(value, MAX_DEPTH)
    return value


def read(text: str) -> Any:
    """Parses what Postgres returns for a value that `loads` or `dumps` accepted, unchanged.

    jsonb writes 1e17 as a row of digits; an integer that large cannot have been accepted, so it is
    the float again. What was put into the table around this codec and cannot be read is returned as
    its text, cut: one bad row must not hide others.
    """
    try:
        value = orjson.loads(text)
    except ValueError:
        return clean_text(text)
    return _floats_again(value) if _LONG_NUMBER.search(text) else value


def dumps(value: Any) -> str:
    """Writes a value as JSON text that `loads` and jsonb accept; raises InvalidJson for a value
    that has no such form, or that would come back as another (NaN and infinities)."""
    try:
        text = orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)
    except (TypeError, RecursionError) as error:  # orjson's own error is a TypeError
        raise InvalidJson(_reason(error, value)) from None
    if _may_be_unfit(text):
        read_again = loads(text)
        if _growth(read_again) > MAX_GROWTH:
            raise InvalidJson(
                "its numbers, written out without exponents, are longer by more than"
                f" {MAX_GROWTH} characters"
            )
    # orjson writes null for NaN and infinities: it would be stored without an error. Texts without
    # a null skip the walk.
    if b"null" in text and (where := _place_of(_is_not_finite, value)) is not None:
        raise InvalidJson(f"NaN/Infinity at ${where}: use None, or a str")
    return text.decode()


def dumps_loaded(value: Any) -> str:
    """`dumps` for what `loads` returned: the same text, without the checks that it has passed.
    Only its size may still be wrong, and a short text cannot grow by MAX_GROWTH."""
    text = orjson.dumps(value)
    return text.decode() if len(text) <= SHORT_TEXT else dumps(value)


def payload(value: Any, of: "TypeAdapter[Any] | None" = None) -> Any:
    """A payload as its model reads it again: pydantic writes models and dataclasses, by their
    aliases and without computed fields. Other values stay as they are. Raises InvalidJson.

    `of` is the type that the payload is of; without it, the value's own.
    """
    if of is None and isinstance(value, BaseModel):
        dump: Any = value.model_dump
    elif of is None and not (is_dataclass(value) and not isinstance(value, type)):
        return value
    else:
        dump = partial((of or TypeAdapter(type(value))).dump_python, value)
    try:
        return dump(mode="json", by_alias=True, round_trip=True, warnings=False)
    except PydanticSerializationError as error:
        name = type(value).__name__
        raise InvalidJson(f"the payload, a {name}, has no JSON form: {error}") from None


def canonical(value: Any) -> bytes:
    """The same bytes for the same value, whatever the order of its keys. Not to store."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS)


def clean_text(text: str, limit: int = 4096) -> str:
    """Makes any text storable: NUL and half surrogates replaced, cut to `limit` characters. Never
    fails."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return (
        cut.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
    )


def _may_be_unfit(text: bytes) -> bool:
    """Whether a text that the parser accepts can hold a value that a later reader does not: nested
    too deeply, NUL, a huge integer, a float that overflows or grows. Others skip the walk, which
    costs more than the parsing. (A regular expression took ten times as long.)"""
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _may_be_deep(text):
        return True
    if len(text) <= _PIECE:
        return _has_marks(text)
    return any(
        _has_marks(text[start : start + _PIECE + _LONGEST_MARK])
        for start in range(0, len(text), _PIECE)
    )


def _has_marks(text: bytes) -> bool:
    numbers = text.translate(_IN_NUMBERS)
    return (
        b"0" * _LONGEST_MARK in numbers
        or b"0e00" in numbers
        or b"0e-00" in numbers
        or b"\\u0000" in text
    )


def _may_be_deep(text: bytes) -> bool:
    """Takes out the innermost brackets, again and again. What stands in strings may look like
    brackets: then the answer is yes."""
    brackets = text.translate(_SQUARE, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _plain(value: Any) -> Any:
    """What orjson does not write by itself."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, UUID):  # the driver's own subclass
        return str(value)
    raise _NoForm(value)


class _NoForm(TypeError):  # noqa: N818
    def __init__(self, value: Any) -> None:
        super().__init__(f"{type(value).__name__} has no JSON form: {_KNOWN}")
        self.value = value


def _reason(error: BaseException, value: Any) -> str:
    """Why orjson refused a value. What `_plain` said is only the cause of orjson's own error."""
    if isinstance(cause := error.__cause__, _NoForm):
        where = _place_of(lambda item: item is cause.value, value)
        return f"${where}: {cause}" if where else str(cause)
    if isinstance(error.__cause__, PydanticSerializationError):
        return f"{error}: {error.__cause__}"
    return f"{error}: {_KNOWN}" if str(error) == "Dict key must be str" else str(error)


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _place_of(wrong: Callable[[Any], bool], value: Any) -> str | None:
    """The way from a value to the first wrong one in it, in the order in which orjson writes; None:
    there is none."""
    if wrong(value):
        return ""
    inside: Iterable[tuple[Any, Any]]
    if isinstance(value, dict):
        if _FINITE.issuperset(map(type, dict.values(value))):
            return None
        step, inside = ".{}", dict.items(value)
    elif isinstance(value, list | tuple | set | frozenset):
        if _FINITE.issuperset(map(type, value)):
            return None
        step, inside = "[{}]", enumerate(value)
    elif isinstance(value, BaseModel):
        return _place_of(wrong, value.model_dump(mode="json", by_alias=True))
    elif isinstance(value, Enum):
        return _place_of(wrong, value.value)
    elif is_dataclass(value):
        step, inside = ".{}", _attributes(value)
    else:
        return None
    for name, item in inside:
        if type(item) not in _FINITE and (rest := _place_of(wrong, item)) is not None:
            return step.format(name) + rest
    return None


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """What orjson writes of a dataclass."""
    names = vars(value) if hasattr(value, "__dict__") else [field.name for field in fields(value)]
    return ((name, getattr(value, name)) for name in names if not name.startswith("_"))


def _floats_again(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        return float(value)
    if isinstance(value, dict):
        return {key: _floats_again(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats_again(item) for item in value]
    return value


def _growth(value: Any) -> int:
    """How many characters jsonb adds to a text: 1e300 becomes 301 digits."""
    if isinstance(value, float):
        return abs(math.frexp(value)[1]) * 3 // 10  # the exponent to 10, from that to 2
    if isinstance(value, dict):
        return sum(map(_growth, value.values()))
    return sum(map(_growth, value)) if isinstance(value, list) else 0


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise InvalidJson("the character NUL cannot be stored")
    elif isinstance(value, float):
        if value in (float("inf"), float("-inf")):
            raise InvalidJson("a number is too large")
    elif isinstance(value, int):
        if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            raise InvalidJson("an integer is beyond 2^53: send it as a string")
    elif isinstance(value, dict):
        if depth == 0:
            raise InvalidJson(f"nested deeper than {MAX_DEPTH}")
        for key, item in value.items():
            _check(key, depth)
            _check(item, depth - 1)
    elif isinstance(value, list):
        if depth == 0:
            raise InvalidJson(f"nested deeper than {MAX_DEPTH}")
        for item in value:
            _check(item, depth - 1)
