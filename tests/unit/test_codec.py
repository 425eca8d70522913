"""The JSON codec: what it lets in can be read again by everyone."""

import contextlib
import enum
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from monoq import codec
from monoq.errors import InvalidJson

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


def storable(value: Any) -> bool:
    try:
        codec.dumps(value)
    except InvalidJson:
        return False
    return True


@given(plain)
def test_what_is_written_is_read_again(value: Any) -> None:
    if storable(value):
        assert codec.loads(codec.dumps(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(junk: bytes) -> None:
    with contextlib.suppress(InvalidJson):
        codec.loads(junk)


@given(st.text(), st.integers(1, 50))
def test_any_text_can_be_cleaned(text: str, limit: int) -> None:
    cleaned = codec.clean_text(text, limit)
    assert len(cleaned) <= limit
    assert "\x00" not in cleaned
    cleaned.encode()


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\udfff" * 3])
def test_hostile_texts_are_cleaned(text: str) -> None:
    codec.clean_text(text).encode()


@dataclass
class Measured:
    name: str | None
    value: float
    _hidden: float = math.nan  # neither written


class Reading(BaseModel):
    at: str = "noon"
    values: dict[str, float]


class Limit(enum.Enum):
    NONE = math.inf


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (math.nan, r"$"),
        (-math.inf, r"$"),
        ([None, {"a": [1.5, math.nan]}], r"$[1].a[1]"),
        ((1, math.inf), r"$[1]"),
        ({math.inf}, r"$[0]"),
        ({"x": Measured(None, math.inf)}, r"$.x.value"),
        ([Reading(values={"c": math.nan})], r"$[0].values.c"),
        ({"limit": Limit.NONE}, r"$.limit"),
    ],
)
def test_what_json_cannot_say_is_refused_and_not_stored_as_null(value: Any, where: str) -> None:
    with pytest.raises(InvalidJson, match=re.escape(f"NaN/Infinity at {where}:")):
        codec.dumps(value)


def test_a_null_that_is_meant_is_written() -> None:
    value = {
        "a": [None, "null", 1.5, Measured(None, 0.5), Reading(values={})],
        "b": (None,),
        "c": {None},
    }
    assert codec.loads(codec.dumps(value)) == {
        "a": [None, "null", 1.5, {"name": None, "value": 0.5}, {"at": "noon", "values": {}}],
        "b": [None],
        "c": [None],
    }


class Opaque(BaseModel):
    x: Any


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Decimal("0.1"), "Decimal has no JSON form: use None, "),
        ({"a": [Decimal("nan")]}, "Decimal has no JSON form: use None, "),
        (Path("/"), "PosixPath has no JSON form: use None, "),
        (b"x", "bytes has no JSON form: use None, "),
        ({1.5: 1}, "Dict key must be str: use None, "),
        (
            Opaque(x=object()),
            (
                "Type is not JSON serializable: Opaque: Unable to serialize unknown type: <class "
                "'object'>"
            ),
        ),
    ],
)
def test_a_refusal_names_the_type_and_what_is_accepted(value: Any, said: str) -> None:
    with pytest.raises(InvalidJson, match=re.escape(said)):
        codec.dumps(value)


@pytest.mark.parametrize(
    "value", ["a\x00b", {"\x00": 1}, 2**53 + 1, 2**70, object(), b"bytes", {1: 2}, "\ud800"]
)
def test_values_without_a_form_are_refused(value: Any) -> None:
    with pytest.raises(InvalidJson):
        codec.dumps(value)


def test_depth_is_bounded() -> None:
    def nested(depth: int) -> Any:
        return [] if depth == 1 else [nested(depth - 1)]

    codec.dumps(nested(codec.MAX_DEPTH))
    with pytest.raises(InvalidJson):
        codec.dumps(nested(codec.MAX_DEPTH + 1))
    with pytest.raises(InvalidJson):
        codec.loads("[" * 100_000)


async def test_numbers_that_would_come_back_far_longer_are_refused(db: asyncpg.Connection) -> None:
    """A payload of 256 KB could come back as 13 MB, and a worker claims hundreds at once."""
    for number in (1e300, -1e-300):
        most = [number] * (codec.MAX_GROWTH // 300)
        text = codec.dumps(most)
        stored = await db.fetchval("SELECT $1::jsonb", text)
        assert codec.MAX_GROWTH * 0.9 < len(stored) - len(text) < codec.MAX_GROWTH * 1.1
        assert codec.read(stored) == most
        with pytest.raises(InvalidJson, match="written out"):
            codec.dumps({"a": [*most, *most]})
    codec.dumps([1.5] * 100_000)


async def test_postgres_returns_what_was_stored(db: asyncpg.Connection) -> None:
    values: list[Any] = []

    @settings(
        max_examples=300, suppress_health_check=list(HealthCheck), deadline=None, database=None
    )
    @given(plain)
    def collect(value: Any) -> None:
        if storable(value):
            values.append(value)

    collect()
    values += [1e17, 1e300, -1.5e-300, 2**53, "\\u0000", "\U0001f389", {"": ""}]
    for value in values:
        stored = await db.fetchval("SELECT $1::jsonb", codec.dumps(value))
        assert codec.read(stored) == value


def test_a_row_that_was_put_in_around_the_codec_is_shown_as_text() -> None:
    assert codec.read("9" * 5000).startswith("999")
    assert codec.read("[" * 2000 + "]" * 2000).startswith("[[[")


@pytest.mark.parametrize(
    "unfit", [rb'"\u0000"', b"9007199254740993", b"1e999", b"[" * 64 + b"]" * 64]
)
def test_what_cannot_be_read_again_is_found_anywhere_in_a_long_text(unfit: bytes) -> None:
    piece = codec._PIECE
    for before in (0, piece - 40, *range(piece - 20, piece), piece, 2 * piece - 6, 2 * piece + 1):
        with pytest.raises(InvalidJson):
            codec.loads(b'["%b",%b]' % (b"x" * before, unfit))


@given(plain)
def test_what_was_loaded_is_written_like_anything_else(value: Any) -> None:
    if storable(value):
        loaded = codec.loads(codec.dumps(value))
        assert codec.dumps_loaded(loaded) == codec.dumps(loaded)


def test_what_was_loaded_and_would_grow_is_refused_and_a_short_text_cannot_grow_as_much() -> None:
    most = "[" + ",".join(["1e+308"] * ((codec.SHORT_TEXT - 1) // 7)) + "]"
    assert len(codec.dumps_loaded(codec.loads(most))) <= codec.SHORT_TEXT
    written_out = most.replace("1e+308", "1" + 308 * "0")
    assert len(written_out) - len(most) < codec.MAX_GROWTH
    with pytest.raises(InvalidJson, match="longer by more than"):
        codec.dumps_loaded(codec.loads("[" + ",".join(["1e308"] * 300) + "]"))
