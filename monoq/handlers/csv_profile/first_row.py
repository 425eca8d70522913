"""Detects the delimiter and the header of a CSV from its first row, by simple, predictable rules.
The payload can override them."""

import csv
import io
import os
from typing import NamedTuple

from monoq.app.outcome import Fail
from monoq.handlers.csv_profile.payload import CsvProfile

READ_BYTES = 1 << 20
MAX_COLUMNS = 1000  # a reader's memory grows with them
DELIMITERS = (",", ";", "\t", "|")


class Form(NamedTuple):
    """How a CSV is read. `names`: of its columns, none if it is empty. `skip`: empty lines before
    its first row."""

    delimiter: str
    header: bool
    names: list[str]
    skip: int
    encoding: str


def read_form(descriptor: int, payload: CsvProfile) -> Form:
    """Reads the first row; raises Fail for one that cannot be the first row of a CSV."""
    text = _decoded(os.pread(descriptor, READ_BYTES, 0), payload.encoding)
    body = text.lstrip("\r\n")
    skip = len(text[: len(text) - len(body)].replace("\r\n", "\n"))
    if os.fstat(descriptor).st_size > READ_BYTES and not any(end in body for end in "\r\n"):
        raise Fail(f"the first row does not end within {READ_BYTES} bytes")
    delimiter, row = _first_row(body, payload.delimiter)
    if len(row) > MAX_COLUMNS:
        raise Fail(f"the CSV has {len(row)} columns; at most {MAX_COLUMNS} are profiled")
    header = payload.header
    if header is None:
        header = not any(map(_is_number, row))
    names = [name.strip() or f"column{n}" for n, name in enumerate(row)] if header else []
    names = names or [f"column{n}" for n in range(len(row))]
    return Form(delimiter, header, names, skip, payload.encoding)


def _decoded(data: bytes, encoding: str) -> str:
    """What is not of the encoding is found by the reader, which names the line."""
    if encoding == "utf-16" and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise Fail("the CSV is not UTF-16 with a byte order mark")
    return data.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")


def _first_row(text: str, delimiter: str | None) -> tuple[str, list[str]]:
    """The delimiter that makes most fields of it; of equals, the first."""
    csv.field_size_limit(READ_BYTES)
    rows: dict[str, list[str]] = {}
    wrong: csv.Error | None = None
    for one in (delimiter,) if delimiter else DELIMITERS:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=one, strict=True)
            rows[one] = next(reader, [])
        except csv.Error as error:
            wrong = wrong or error
    best = max(rows, key=lambda one: len(rows[one]), default="")
    if wrong and len(rows.get(best, [])) < 2:
        raise Fail(f"line 1 is no row of this CSV: {wrong}")
    return best, rows[best]


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
