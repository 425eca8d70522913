"""Cursors: what is written can be read, and nothing that is read raises."""

from hypothesis import given
from hypothesis import strategies as st

from monoq.job import TENANT_PATTERN
from monoq.live.cursor import MAX_XID, Cursor, stream_id

CURSORS = st.builds(
    Cursor,
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.integers(1, MAX_XID),
    st.from_regex(TENANT_PATTERN, fullmatch=True).filter(lambda name: not name.endswith("\n")),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(CURSORS)
def test_what_is_written_is_read_again(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@given(ANYTHING)
def test_anything_may_be_said_to_be_a_cursor(said: object) -> None:
    parsed = Cursor.parse(said)
    assert parsed is None or str(parsed) == said


@given(CURSORS, st.integers(0, 200), st.sampled_from([" ", "\n", "\0", "٣", "-", ".", ""]))
def test_a_cursor_with_a_blemish_is_read_as_it_is_or_not_at_all(
    cursor: Cursor, at: int, blemish: str
) -> None:
    text = str(cursor)
    said = text[:at] + blemish + text[at + 1 :]
    parsed = Cursor.parse(said)
    assert parsed is None or str(parsed) == said


def test_cursors_beyond_what_a_transaction_can_be_are_refused() -> None:
    stream = stream_id(["a"])
    for xid in (0, -1, MAX_XID + 1, 2**64):
        assert Cursor.parse(f"{stream}.{xid}.acme") is None
    assert Cursor.parse(f"{stream}.{MAX_XID}.acme") == Cursor(stream, MAX_XID, "acme")


def test_every_part_makes_another_stream() -> None:
    parts = ["uuid", "cluster", "timeline", "database", "jobs"]
    others = [stream_id([*parts[:n], "other", *parts[n + 1 :]]) for n in range(len(parts))]
    assert len({stream_id(parts), *others}) == len(parts) + 1
