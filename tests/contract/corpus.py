"""The hostile corpus: values that some reader of JSON chokes on, times the places where they can
stand, times encodings.

Whether a text may be accepted is decided here by Python's own parser under strict rules, not by the
codec under test.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from monoq.codec import MAX_DEPTH, MAX_SAFE_INTEGER
from monoq.job import TENANT_PATTERN

NUMBERS = [
    *(
        "0",
        "-0",
        "-0.0",
        "1",
        "1.0",
        "-1.5",
        "0.1",
        "1E5",
        "1e-7",
        "5e-324",
        "1e-400",
        "1e17",
        "1e20",
        "1e22",
        "1e300",
        "1.7976931348623157e308",
    ),
    *(
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993",
        "-9007199254740993",
        "18446744073709551616",
        "1" + "0" * 400,
        "9" * 5000,
    ),
    *(
        "1e309",
        "-1e309",
        "1e999",
        "1e5000",
        "123456789012345678901234567890.5",
        "0.30000000000000004",
        "100000000000000000000.0",
    ),
    *("NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x10", "1_000", "1e", "--1", "٣"),
]
STRINGS = [
    *(
        '""',
        '"plain"',
        '"häß"',
        '"\U0001f389"',
        r'"\ud83c\udf89"',
        r'"\u007f"',
        r'"\u0001\u001f"',
        r'"\u2028\u2029"',
        '"\u202eevil"',
        '"e\u0301"',
    ),
    *(
        r'"\uffff\ufffe"',
        '"\U0010ffff"',
        r'"\\u0000"',
        r'"%00"',
        '"<script>alert(1)</script>"',
        '"\'; DROP TABLE jobs; --"',
        '"__proto__"',
    ),
    *(
        r'"\/\b\f\n\r\t\""',
        '"' + "x" * 100_000 + '"',
        '"' + "\U0001f389" * 5000 + '"',
        '"null"',
        r'"\u00e9\u0000"',
        r'"\u0000"',
        '"a\x00b"',
    ),
    *(
        r'"\ud800"',
        r'"\udc00"',
        r'"\udc00\ud800"',
        r'"\ud800x"',
        '"a\nb"',
        '"a\tb"',
        r'"\x41"',
        r'"\u12"',
        r'"\U0001f389"',
        '"unfinished',
        "'single'",
    ),
]
SHAPES = [
    *(
        "null",
        "true",
        "false",
        "[]",
        "{}",
        "[[[[]]]]",
        '{"": {"": [null]}}',
        '{"__proto__": {"x": 1}}',
        '{"constructor": null, "toString": 1}',
    ),
    *(
        "[" + ",".join(map(str, range(2000))) + "]",
        "{" + ",".join(f'"k{n}": {n}' for n in range(1000)) + "}",
        " [ 1 ,\n\t2 ]\r\n",
    ),
    *("[" * depth + "]" * depth for depth in (55, 60, 61, 62, 63, 64, 65, 200, 2000)),
    *('{"a":' * depth + "1" + "}" * depth for depth in (55, 62, 63, 64, 65, 300)),
    *(
        "[" * 100_000,
        '{"a":' * 5000,
        '{"a": 1, "a": 2}',
        '{"a": 1, "\\u0061": 2}',
        '{"a": 1, "A": 2}',
        r'{"\u0000": 1}',
        r'{"\ud800": 1}',
    ),
    *(
        "",
        "nul",
        "None",
        "True",
        "undefined",
        "[1,]",
        "[1 2]",
        '{"a": 1,}',
        "{a: 1}",
        '{"a" 1}',
        "// no\n1",
        "/* no */ 1",
        "1 2",
        "]",
        "{",
        '{"a":',
    ),
]
BYTES = [
    *(
        b'"\xff"',
        b'"\xc0\xaf"',
        b'"\xed\xa0\x80"',
        b'"\xe2\x82"',
        b'"\xf4\x90\x80\x80"',
        b'"\xf8\x88\x80\x80\x80"',
        b'"\xc3\xa9"',
        b"\xff\xfe",
        b'"\x80"',
    ),
    *(b"\x00", b"1\x00", b'"\x7f"', b"\x0b1", b"\xc2\xa01", b"\xe2\x80\x8b1"),
]
VALUES: list[bytes] = [text.encode() for text in (*NUMBERS, *STRINGS, *SHAPES)] + BYTES
PLACES = {
    "payload": b'{"tenantId":"acme","type":"echo","payload":%s}',
    "nested": b'{"tenantId":"acme","type":"echo","payload":{"a":[{"b":%s}]}}',
    "key": b'{"tenantId":"acme","type":"echo","payload":{%s:1}}',
    "type": b'{"tenantId":"acme","type":%s}',
    "tenantId": b'{"tenantId":%s,"type":"echo"}',
    "idempotencyKey": b'{"tenantId":"acme","type":"echo","idempotencyKey":%s}',
}
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1")


@dataclass(frozen=True)
class Case:
    """A request's body, and what must become of it."""

    name: str
    body: bytes
    accepted: bool
    payload: Any = None


def cases() -> list[Case]:
    """All of them; some thousand."""
    found = [
        _case(f"{place}: {_short(value)}", shape % value, place)
        for place, shape in PLACES.items()
        for value in VALUES
    ]
    for text in (*NUMBERS[:6], *STRINGS[:16], *SHAPES[:10]):
        body = (PLACES["payload"] % text.encode()).decode()
        for encoding in ENCODINGS:
            encoded = body.encode(encoding, "ignore")
            found.append(_case(f"{encoding}: {_short(text.encode())}", encoded, "payload"))
    return found


def texts() -> Iterator[str]:
    """The values that are JSON by themselves."""
    for value in VALUES:
        if _strict(value) is not _REFUSED:
            yield value.decode()


def _case(name: str, body: bytes, place: str) -> Case:
    value = _strict(body)
    accepted = isinstance(value, dict)
    if accepted and place == "tenantId":
        accepted = (
            isinstance(value["tenantId"], str)
            and re.search(TENANT_PATTERN, value["tenantId"]) is not None
        )
    elif accepted and place == "type":
        accepted = False  # there is no handler of that name
    elif accepted and place == "idempotencyKey":
        key = value["idempotencyKey"]
        accepted = key is None or (
            isinstance(key, str) and re.fullmatch(r"[\x21-\x7e]{1,200}", key) is not None
        )
    return Case(name, body, accepted, value.get("payload", {}) if accepted else None)


_REFUSED = object()


def _strict(text: bytes) -> Any:
    """The value, or _REFUSED: for what is no JSON, and for what not every reader reads alike."""
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return _REFUSED
    return value if _readable(value, MAX_DEPTH) else _REFUSED


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key comes twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _readable(value: Any, depth: int) -> bool:
    match value:
        case str():
            return "\0" not in value and not re.search("[\ud800-\udfff]", value)
        case bool() | None:
            return True
        case int():
            return abs(value) <= MAX_SAFE_INTEGER
        case float():
            return math.isfinite(value)
        case list():
            return depth > 0 and all(_readable(item, depth - 1) for item in value)
        case _:
            return depth > 0 and all(
                _readable(key, depth) and _readable(item, depth - 1) for key, item in value.items()
            )


def _short(value: bytes) -> str:
    return repr(value if len(value) < 50 else value[:40] + b"...")
