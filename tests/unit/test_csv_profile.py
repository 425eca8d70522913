"""The profile of a CSV by a real DuckDB: what is right is told, and what is hostile gets one clear
sentence."""

import gzip
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from monoq import Fail
from monoq.handlers.csv_profile.first_row import MAX_COLUMNS, read_form
from monoq.handlers.csv_profile.payload import CsvProfile
from monoq.handlers.csv_profile.profile import Profile
from monoq.handlers.csv_profile.source import open_inside

ROOT = Path(__file__).parent.parent.parent


def profile(data: bytes, **options: Any) -> dict[str, Any]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        payload = CsvProfile(url="https://example.com", **options)
        return Profile(file.fileno(), read_form(file.fileno(), payload)).make()


def columns(data: bytes, **options: Any) -> dict[str, tuple[Any, ...]]:
    """By name: type, nulls, distinct, min, max."""
    made = profile(data, **options)["columns"]
    return {
        one["name"]: (one["type"], one["nulls"], one["distinct"], one["min"], one["max"])
        for one in made
    }


def test_each_column_has_its_type_nulls_distinct_values_bounds_and_quantiles() -> None:
    made = profile(b"n,x,word,day,yes\n" + b"".join(
        b"%d,%.1f,%s,2026-01-%02d,%s\n"
        % (n, n / 2, b"a" if n % 2 else b"", n % 28 + 1, b"true" if n % 2 else b"false")
        for n in range(1, 101)
    ))  # fmt: skip
    assert (made["rows"], made["delimiter"], made["header"]) == (100, ",", True)
    n, x, word, day, yes = made["columns"]
    assert {name: n[name] for name in ("name", "type", "nulls", "min", "max", "mean")} == {
        "name": "n",
        "type": "integer",
        "nulls": 0,
        "min": 1,
        "max": 100,
        "mean": 50.5,
    }
    assert 90 <= n["distinct"] <= 100  # it is an estimate
    assert n["quantiles"]["p25"] == pytest.approx(25, abs=1)
    assert x["type"] == "number"
    assert x["quantiles"]["p95"] == pytest.approx(47.5, abs=1)
    assert (word["type"], word["nulls"], word["distinct"]) == ("text", 50, 1)
    assert (day["type"], day["min"], day["max"]) == ("date", "2026-01-01", "2026-01-28")
    assert (yes["type"], yes["min"], yes["max"]) == ("boolean", False, True)


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        (b"1,2\n3,4\n", {}, {"column0": ("integer", 0, 2, 1, 3),
                               "column1": ("integer", 0, 2, 2, 4)}),
        (b"a,b\n", {"header": False}, {"column0": ("text", 0, 1, "a", "a"),
                                       "column1": ("text", 0, 1, "b", "b")}),
        (b"1\n2\n", {"header": True}, {"1": ("integer", 0, 1, 2, 2)}),
        (b"a;b\r\n1,5;2\r\n", {}, {"a": ("text", 0, 1, "1,5", "1,5"),
                                       "b": ("integer", 0, 1, 2, 2)}),
        (b"a\tb\n1\t2\n", {}, {"a": ("integer", 0, 1, 1, 1), "b": ("integer", 0, 1, 2, 2)}),
        (b"a;b\n1;2\n", {"delimiter": ","}, {"a;b": ("text", 0, 1, "1;2", "1;2")}),
        (b"", {}, {}),
        (b"\n\n", {}, {}),
        (b"\n\na\n1\n", {}, {"a": ("integer", 0, 1, 1, 1)}),
        (b"a,b", {}, {"a": ("empty", 0, 0, None, None), "b": ("empty", 0, 0, None, None)}),
        (b"\xef\xbb\xbfa\n1\n", {}, {"a": ("integer", 0, 1, 1, 1)}),
        (b"a,\n1,\n", {}, {"a": ("integer", 0, 1, 1, 1), "column1": ("empty", 1, 0, None, None)}),
        ("a\nü\n".encode("utf-16"), {"encoding": "utf-16"}, {"a": ("text", 0, 1, "ü", "ü")}),
        (b"a\n\xfc\n", {"encoding": "latin-1"}, {"a": ("text", 0, 1, "ü", "ü")}),
        (b'a""b\n1\n', {}, {'a""b': ("integer", 0, 1, 1, 1)}),
        (b'"a""b; drop\'s"\n1\n', {}, {'a"b; drop\'s': ("integer", 0, 1, 1, 1)}),
        (b'a,b\n"1\n2",2\n', {}, {"a": ("text", 0, 1, "1\n2", "1\n2"),
                                    "b": ("integer", 0, 1, 2, 2)}),
        (b"a\n" + b"1\n" * 50_000 + b"n/a\n", {}, {"a": ("text", 0, 2, "1", "n/a")}),
        (b"a\n9007199254740993\n", {}, {"a": ("integer", 0, 1, "9007199254740993",
                                              "9007199254740993")}),
        (b"a\nnan\n1.5\n", {}, {"a": ("number", 0, 2, 1.5, "nan")}),
        (b"a\nx\0y\n", {}, {"a": ("text", 0, 1, "x\ufffdy", "x\ufffdy")}),
        (b"a\n" + b"x" * 1_000_000 + b"\n", {}, {"a": ("text", 0, 1, "x" * 99 + "…",
                                                       "x" * 99 + "…")}),
        (b"a\r1\r2\r", {}, {"a": ("integer", 0, 2, 1, 2)}),
    ],
)  # fmt: skip
def test_forms_of_a_csv_that_are_read(
    data: bytes, options: dict[str, Any], expected: dict[str, tuple[Any, ...]]
) -> None:
    assert columns(data, **options) == expected


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        (b"a,b\n1,2\n3\n", {}, "line 3 is no row of this CSV: it has 1 fields, not 2"),
        (b"a,b\n1,2\n3,4,5\n", {}, "line 3 is no row of this CSV: it has 3 fields, not 2"),
        (b"a,b\n" + b"1,2\n" * 50_000 + b"3\n", {},
         "line 50002 is no row of this CSV: it has 1 fields, not 2"),
        (b"a report\n\na,b\n1,2\n", {}, "line 3 is no row of this CSV: it has 2 fields, not 1"),
        (b"a\n\xff\n", {}, "line 2 is no row of this CSV: it is not of the encoding"),
        (b"a,b\n" + b"1,x\n" * 50_000 + b"1,\xff\n", {},
         "line 50002 is no row of this CSV: it is not of the encoding"),
        (b"a,b\n1,2\n", {"encoding": "utf-16"}, "the CSV is not UTF-16 with a byte order mark"),
        (gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0), {}, "it is not of the encoding"),
        (random.Random(1).randbytes(100_000), {}, "CSV: "),
        (b"a,b\n1," + b"x" * 3_000_000 + b"\n", {}, "no CSV: a row is longer than 2000000 bytes"),
        (b"a" * 3_000_000, {}, "the first row does not end within 1048576 bytes"),
        (b'a,b\n1,"x\n' + b"2,y\n" * 1000, {}, "a quote is not closed, or not doubled"),
        (b'a,b\n1,"x\n' + b"2,y\n" * 1_000_000, {}, "a quote is not closed"),
        (b'a,"b\n1,x\n' + b"2,y\n" * 1_000_000, {}, "line 1 is no row of this CSV"),
        (b'a,b\n1,"x"y\n', {}, "line 2 is no row of this CSV: a quote is not closed"),
        (b"a,b\r\n1,2\n3,4\r\n", {}, "its lines end in different ways"),
        (b",".join([b"a"] * 10_000) + b"\n", {},
         f"the CSV has 10000 columns; at most {MAX_COLUMNS} are profiled"),
    ],
)  # fmt: skip
def test_what_is_no_csv_is_told_in_one_sentence(
    data: bytes, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Fail) as refused:
        profile(data, **options)
    told = str(refused.value)
    assert reason in told
    assert "\n" not in told
    assert "/dev/" not in told
    assert len(told) < 400


def test_as_many_columns_as_there_may_be_are_profiled() -> None:
    row = b",".join([b"1.5"] * MAX_COLUMNS) + b"\n"
    names = b",".join(b"c%d" % n for n in range(MAX_COLUMNS)) + b"\n"
    made = profile(names + 100 * row)
    assert [one["name"] for one in made["columns"]] == [f"c{n}" for n in range(MAX_COLUMNS)]
    assert {(one["min"], one["max"], one["nulls"]) for one in made["columns"]} == {(1.5, 1.5, 0)}


def test_without_duckdb_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(Fail, match=r"^csv_profile needs DuckDB: pip install 'monoq\[csv\]'$"):
        profile(b"a\n1\n")


MEASURE = r"""
import re, sys
from pathlib import Path
from monoq.handlers.csv_profile.first_row import read_form
from monoq.handlers.csv_profile.payload import CsvProfile
from monoq.handlers.csv_profile.profile import Profile
import os
fd = os.open(sys.argv[1], os.O_RDONLY)
made = Profile(fd, read_form(fd, CsvProfile(path="x"))).make()
# not ru_maxrss: that begins with the memory of whoever started this process
status = Path("/proc/self/status").read_text()
print(made["rows"], int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024)
"""


def write_csv(path: Path, megabytes: int) -> int:
    """Numbers and texts, nearly all different; returns how many rows there are."""
    random_ = random.Random(1)
    rows, size = 0, 0
    with path.open("w") as file:
        file.write("id,customer,amount,city,created_at,note\n")
        while size < megabytes << 20:
            part = "".join(
                f"{rows + n},{random_.randrange(10**6)},{random_.random() * 1000:.2f},"
                f"{random_.choice(('Berlin', 'Paris', 'Oslo'))},"
                f"2026-0{random_.randrange(1, 10)}-11 10:00:00,note {random_.random()}\n"
                for n in range(10_000)
            )
            file.write(part)
            rows += 10_000
            size += len(part)
    return rows


@pytest.mark.parametrize("megabytes", [64, pytest.param(1024, marks=pytest.mark.soak)])
def test_the_memory_does_not_grow_with_the_file(tmp_path: Path, megabytes: int) -> None:
    rows = write_csv(tmp_path / "big.csv", megabytes)
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "big.csv")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    read, memory_mb = map(int, ran.stdout.split())
    assert read == rows
    assert memory_mb <= 300, f"{memory_mb} MB"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, and a secret beside it."""
    made = tmp_path / "files"
    (made / "sub").mkdir(parents=True)
    (made / "sub" / "a.csv").write_text("a\n1\n")
    (tmp_path / "secret.csv").write_text("secret\n1\n")
    (tmp_path / "files2").mkdir()
    (tmp_path / "files2" / "a.csv").write_text("secret\n1\n")
    return made


def test_a_file_of_the_folder_is_opened_through_links_that_stay_in_it(folder: Path) -> None:
    (folder / "link.csv").symlink_to("sub/a.csv")
    (folder.parent / "door").symlink_to(folder)
    for root, path in (
        (folder, "sub/a.csv"),
        (folder, "link.csv"),
        (folder.parent / "door", "link.csv"),
    ):
        descriptor = open_inside(root, path)
        assert os.read(descriptor, 10) == b"a\n1\n"
        os.close(descriptor)


def test_nothing_outside_of_the_folder_is_opened(folder: Path) -> None:
    (folder / "out.csv").symlink_to(folder.parent / "secret.csv")
    (folder / "up").symlink_to("..")
    (folder / "chain").symlink_to("up")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for path in (
        "out.csv", "up/secret.csv", "chain/secret.csv", "../secret.csv", "sub/../../secret.csv",
        str(folder.parent / "secret.csv"), "../files2/a.csv", "/etc/passwd", "/dev/zero",
        "loop", "pipe", "sub", ".", "none.csv", "a\0b", "x" * 5000,
    ):  # fmt: skip
        with pytest.raises(Fail):
            open_inside(folder, path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_link_that_changes_while_it_is_opened_leads_to_nothing_outside(folder: Path) -> None:
    """Whatever it leads to at which moment, what was opened is what was looked at."""
    swap = "import os, sys\nos.chdir(sys.argv[1])\nprint(flush=True)\nwhile True:\n" + "".join(
        f" os.symlink({target!r}, 'new'); os.replace('new', 'link.csv')\n"
        for target in ("sub/a.csv", "../secret.csv")
    )
    with subprocess.Popen(
        [sys.executable, "-c", swap, str(folder)], stdout=subprocess.PIPE
    ) as swapping:
        try:
            assert swapping.stdout
            swapping.stdout.readline()
            opened = refused = 0
            while opened < 50 or refused < 50:
                try:
                    descriptor = open_inside(folder, "link.csv")
                except Fail:
                    refused += 1
                    continue
                assert os.read(descriptor, 10) == b"a\n1\n"
                os.close(descriptor)
                opened += 1
        finally:
            swapping.kill()
