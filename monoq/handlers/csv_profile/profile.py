"""The profile of a CSV by DuckDB, which reads it as a stream in bounded memory. It must make no SQL
of what stands in a CSV, and let DuckDB reach nothing but that one file."""

import contextlib
import math
import os
import re
from typing import TYPE_CHECKING, Any

from monoq.app.outcome import Fail
from monoq.handlers.csv_profile.first_row import Form

if TYPE_CHECKING:
    import duckdb

MEMORY = "150MB"  # for DuckDB's buffers; with itself and Python it is less than 300
THREADS = 2
COLUMNS_AT_ONCE = 64  # a reader holds 2,048 values of each, and a sketch
SAMPLED_VALUES = 2_000_000
MAX_SAMPLED_ROWS = 20_480
QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
MAX_VALUE = 100  # characters of a name or a value in the result
MAX_SAFE_INTEGER = 2**53

_TYPES = {
    "BOOLEAN": "boolean",
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), "integer"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "number"),
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}
# What DuckDB says of a row, in lines of their own.
_REASONS = (
    (re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)"), "it has {1} fields, not {0}"),
    (re.compile(r"Invalid unicode"), "it is not of the encoding"),
    (re.compile(r"unterminated quote|Unquoted|quote"), "a quote is not closed, or not doubled"),
)


class Profile:
    """One pass or more over a CSV."""

    def __init__(self, descriptor: int, form: Form) -> None:
        """Raises Fail without DuckDB."""
        self._form = form
        self._path = f"/dev/fd/{descriptor}"
        self._bytes = os.fstat(descriptor).st_size
        self._done = 0.0
        self._share = 1.0
        self._duckdb = _connect(self._path, 1 if len(form.names) > COLUMNS_AT_ONCE else THREADS)

    @property
    def fraction(self) -> float:
        """The progress, 0 to 1; may be read by another thread."""
        return min(1.0, self._done + self._share * max(0.0, self._duckdb.query_progress()) / 100)

    def make(self) -> dict[str, Any]:
        """The profile; raises Fail, which names the line, for what is no CSV."""
        form = self._form
        rows, columns = self._profile() if form.names else (0, [])
        return {
            "rows": rows,
            "bytes": self._bytes,
            "delimiter": form.delimiter,
            "header": form.header,
            "columns": columns,
        }

    def _profile(self) -> tuple[int, list[dict[str, Any]]]:
        """Types are detected from the first rows. If a later row does not fit, all rows are read;
        if no types can be detected, all columns are read as text, which reports the error."""
        import duckdb

        sampled = min(MAX_SAMPLED_ROWS, max(1000, SAMPLED_VALUES // len(self._form.names)))
        for options in (f"sample_size={sampled}", "sample_size=-1", "all_varchar=true"):
            try:
                return self._with(options)
            except duckdb.ConversionException:
                continue
            except duckdb.InvalidInputException as error:
                if "Error when sniffing" not in str(error):
                    raise Fail(_reason(error)) from None
                with contextlib.suppress(duckdb.ConversionException):
                    return self._with(None)
            except duckdb.OutOfMemoryException:
                raise Fail(f"the CSV needs more than {MEMORY} of memory") from None
        raise AssertionError("text needs no conversion")

    def _with(self, options: str | None) -> tuple[int, list[dict[str, Any]]]:
        """With the types that DuckDB detects with `options`; None: all columns are text."""
        import duckdb

        source = self._source(options)
        keys = [f"c{n}" for n in range(len(self._form.names))]
        try:
            described = self._duckdb.execute(
                f"DESCRIBE SELECT * FROM {source}"  # noqa: S608 - made of constants of this module
            ).fetchall()
            types = {key: str(type_) for key, type_, *_ in described}
            rows, columns = 0, []
            self._done, self._share = 0.0, min(1.0, COLUMNS_AT_ONCE / len(keys))
            for first in range(0, len(keys), COLUMNS_AT_ONCE):
                some = keys[first : first + COLUMNS_AT_ONCE]
                rows, made = self._scan(source, some, types)
                columns += made
                self._done += self._share
        except duckdb.InvalidInputException as error:
            if options is not None:
                raise
            raise Fail(_reason(error)) from None
        for column, name in zip(columns, self._form.names, strict=True):
            column["name"] = _json(name)
        return rows, columns

    def _scan(
        self, source: str, keys: list[str], types: dict[str, str]
    ) -> tuple[int, list[dict[str, Any]]]:
        asked = ["count(*)"]
        for key in keys:
            asked += [
                f"count({key})",
                f"approx_count_distinct({key})",
                f"min({key})",
                f"max({key})",
            ]
            if _TYPES.get(types[key]) in ("integer", "number"):
                quantiles = ", ".join(map(str, QUANTILES.values()))
                asked += [f"avg({key})", f"approx_quantile({key}, [{quantiles}])"]
        row = self._duckdb.execute(
            f"SELECT {', '.join(asked)} FROM {source}"  # noqa: S608 - made of our constants
        ).fetchone()
        assert row
        values = iter(row)
        rows: int = next(values)
        columns: list[dict[str, Any]] = []
        for key in keys:
            count, distinct, least, most = (next(values) for _ in range(4))
            type_ = _TYPES.get(types[key], "text") if count else "empty"
            column = {
                "name": key,
                "type": type_,
                "nulls": rows - count,
                "distinct": min(distinct, count),
                "min": _json(least),
                "max": _json(most),
            }
            if _TYPES.get(types[key]) in ("integer", "number"):
                column["mean"] = _json(next(values))
                quantiles_of = next(values) or [None] * len(QUANTILES)
                column["quantiles"] = dict(zip(QUANTILES, map(_json, quantiles_of), strict=True))
            columns.append(column)
        return rows, columns

    def _source(self, options: str | None) -> str:
        form = self._form
        keys = [f"c{n}" for n in range(len(form.names))]
        if options is None:
            columns = ", ".join(f"'{key}': 'VARCHAR'" for key in keys)
            options = f"auto_detect=false, columns={{{columns}}}"
        else:
            options += f", names={keys}"
        return (
            f"read_csv('{self._path}', delim='{form.delimiter}', quote='\"', escape='\"',"
            f" comment='', compression='none', encoding='{form.encoding}', skip={form.skip},"
            f" header={str(form.header).lower()}, {options})"
        )


def _connect(path: str, threads: int) -> "duckdb.DuckDBPyConnection":
    try:
        import duckdb
    except ImportError:
        raise Fail("csv_profile needs DuckDB: pip install 'monoq[csv]'") from None

    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": MEMORY,
            "threads": threads,
            "preserve_insertion_order": "false",
            "temp_directory": "",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    for setting in (
        "SET enable_progress_bar = true",  # or its progress is not known
        "SET enable_progress_bar_print = false",
        "SET TimeZone = 'UTC'",
        f"SET allowed_paths = ['{path}']",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(setting)
    return connection


def _reason(error: Exception) -> str:
    """What DuckDB says, in one line, without its advice and the row itself."""
    text = str(error)
    # the row itself stands before the last line of this
    told = re.split(r"\n+(?:Possible|  file =)", text)[0].strip().splitlines()[-1]
    if found := re.search(r"Maximum line size of (\d+) bytes exceeded", text):
        return f"no CSV: a row is longer than {found[1]} bytes"  # DuckDB's line number is wrong
    line = re.search(r"CSV Error on Line: (\d+)", text)
    where = f"line {line[1]} is no row of this CSV" if line else "no CSV"
    for pattern, words in _REASONS:
        if found := pattern.search(told):
            return f"{where}: {words.format(*found.groups())}"
    if "invalid state" in text:
        return "no CSV: a quote is not closed, or its lines end in different ways"
    return f"no CSV: {told.removeprefix('Invalid Input Error: ')[:300]}"


def _json(value: Any) -> Any:
    """A value as JSON that every reader takes: others as text, long texts cut."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= MAX_SAFE_INTEGER:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    text = str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
