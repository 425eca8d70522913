"""Whatever a client says its cursor is, it gets an answer: what it missed, or RESET. Real
statements, examples by hypothesis."""

import asyncio
import json
from typing import Any

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monoq.changes import replayer
from monoq.changes.tail import Tail
from monoq.live.cursor import MAX_XID, Cursor
from monoq.live.hub import Hub
from monoq.live.subscription import Subscription
from monoq.observe.metrics import Metrics
from monoq.store.database import Database
from monoq.store.stream import StreamStore

EXAMPLES = 300
CHANGES = 30  # transactions, of one job each
MOST = 10  # replayed

TEXT = (
    st.text()
    | st.integers()
    | st.lists(st.integers())
    | st.booleans()
    | st.dictionaries(st.text(), st.none())
)
XIDS = st.integers(-CHANGES // 2, 3).map(lambda n: ("near", n)) | st.integers(1, MAX_XID).map(
    lambda n: ("any", n)
)
CURSORS = st.tuples(
    st.sampled_from(["ours"] * 4 + ["0" * 16]), XIDS, st.sampled_from(["acme"] * 4 + ["other"])
)
SAID = st.booleans().flatmap(lambda well_formed: CURSORS if well_formed else TEXT)


class Told:
    """A socket that keeps what its subscription says."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.through = asyncio.Event()

    def say(self, text: str) -> None:
        self.said.append(json.loads(text))
        if self.said[-1]["type"] == "RESET":
            self.through.set()

    def wake(self, subscription: Subscription) -> None:
        while True:
            self.said += map(json.loads, subscription.next_frames())
            if not subscription.has_more:
                break
        if "cursor" in self.said[-1] and self.said[-1]["type"] == "UPDATES":
            self.through.set()

    def count(self, more: int) -> None: ...

    def leave(self) -> None: ...


async def test_every_cursor_is_honoured_or_answered_with_a_reset(database_url: str) -> None:
    # hypothesis calls ordinary functions, which need a loop of their own
    answers = await asyncio.to_thread(check, database_url)
    print(answers)
    assert min(answers.values()) >= EXAMPLES // 20, "some fates were hardly met"


def check(database_url: str) -> dict[str, int]:
    """Runs the examples; returns how many were honoured and how many refused."""
    answers = {"honoured": 0, "refused": 0}
    rest, replayer.REST_S = replayer.REST_S, 0.0
    most, replayer.MAX_REPLAYED = replayer.MAX_REPLAYED, MOST
    page, replayer.PAGE = replayer.PAGE, 4
    try:
        with asyncio.Runner() as runner:
            hub, xids = runner.run(_prepare(database_url))

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(st.lists(SAID, min_size=1, max_size=4))
            def examples(said: list[Any]) -> None:
                runner.run(one(said))

            async def one(said: list[Any]) -> None:
                assert hub.horizon
                database = await Database.connect(database_url, connections=2, plans="fresh")
                end = await _end(database)
                cursors: list[Any] = []
                for each in said:
                    if isinstance(each, tuple):
                        stream, (kind, n), tenant = each
                        xid = end + n if kind == "near" else n
                        each = str(
                            Cursor(hub.horizon.stream if stream == "ours" else stream, xid, tenant)
                        )
                    cursors.append(each)
                heard = await ask(database, cursors)
                ends = end, await _end(database)  # they differ if autovacuum came in between
                await database.close()
                for cursor, told in zip(cursors, heard, strict=True):
                    judge(cursor, told.said, *ends)

            async def ask(database: Database, cursors: list[Any]) -> list[Told]:
                """All at once, so that they share a read."""
                reader = replayer.Replayer(StreamStore(database), hub)
                running = asyncio.create_task(reader.run())
                told = [Told() for _ in cursors]
                subscriptions = [
                    Subscription("acme", one, hub, reader, batched=True, follows=True, since=cursor)
                    for cursor, one in zip(cursors, told, strict=True)
                ]
                for subscription in subscriptions:
                    subscription.open(None)
                async with asyncio.timeout(10):
                    for one in told:
                        await one.through.wait()
                for subscription in subscriptions:
                    subscription.close()
                reader.stop()
                await running
                return told

            def judge(
                said: Any, heard: list[dict[str, Any]], end_before: int, end_after: int
            ) -> None:
                assert hub.horizon
                cursor = Cursor.parse(said)
                missed = [xid for xid in xids if cursor and xid >= cursor.xid]
                ours = cursor is not None and (cursor.stream, cursor.tenant_id) == (
                    hub.horizon.stream,
                    "acme",
                )
                in_reach = cursor is not None and ours and len(missed) <= MOST
                if cursor and in_reach and end_before < cursor.xid <= end_after:
                    # there was no such transaction yet, or there was, by the time it was looked for
                    return
                if cursor and in_reach and cursor.xid <= end_before:
                    answers["honoured"] += 1
                    assert heard[0] == {"type": "SUBSCRIBED", "tenantId": "acme", "cursor": said}
                    assert [
                        update["version"] for frame in heard[1:] for update in frame["updates"]
                    ] == missed
                    newest = Cursor.parse(heard[-1]["cursor"])
                    assert newest
                    assert newest.xid == max(cursor.xid, hub.horizon.xid)
                else:
                    answers["refused"] += 1
                    resets = [
                        frame for frame in heard if frame["type"] not in {"SUBSCRIBED", "UPDATES"}
                    ]
                    assert resets == [
                        {
                            "type": "RESET",
                            "tenantId": "acme",
                            "cursor": str(Cursor(*hub.horizon, "acme")),
                        }
                    ]

            examples()
    finally:
        replayer.REST_S, replayer.MAX_REPLAYED, replayer.PAGE = rest, most, page
    return answers


async def _prepare(database_url: str) -> tuple[Hub, list[int]]:
    """A hub whose horizon is known, and the transactions that changed a job each, whose version
    tells which."""
    connection = await asyncpg.connect(database_url)
    for _ in range(CHANGES):
        sql = (
            "INSERT INTO jobs (tenant_id, type, version) "
            "VALUES ('acme', 'x', (pg_current_xact_id()::text)::int)"
        )
        await connection.execute(sql)
    hub = Hub()
    tail = Tail(database_url, hub, Metrics(types=[], version="test"))
    reading = await tail._connect()
    for _ in range(2):
        await tail._read(reading)
    await reading.close()
    rows = await connection.fetch("SELECT changed_xid FROM jobs ORDER BY 1")
    await connection.close()
    return hub, [row[0] for row in rows]


async def _end(database: Database) -> int:
    """What is beyond all transactions that have ended."""
    (row,) = await database.fetch("SELECT pg_snapshot_xmax(pg_current_snapshot()) AS xid")
    return int(row["xid"])
