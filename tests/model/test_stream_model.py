"""A model of the stream of changes: every interleaving of transactions, reads, messages and faults.

One process of the API with one client. The rules as monoq has them must pass; each broken variant
must give its counter-example.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from explore import Exploration, Step, explore

FAULTS = ("crash", "loss", "disconnect", "abort")


class Cut(NamedTuple):
    """What has been seen: a transaction id below `xmin`, or below `xmax` and not among `running`. A
    plain horizon has xmin = xmax."""

    xmin: int
    xmax: int
    running: tuple[int, ...] = ()

    def covers(self, xid: int) -> bool:
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)


@dataclass(frozen=True)
class Rules:
    """The rules; each default is right."""

    tail: bool = True
    cut: str = "horizon"  # what a tail read starts from: a horizon, or the whole snapshot (rule 9)
    # a cut is used only when the disk knows that its transaction ids are used up (rule 4)
    durable: bool = True
    # a cut not yet durable is kept when the connection is replaced
    pending_over_crash: bool = False
    # the next cut comes from the tail read itself; or "on their own": from reads of nothing else
    rounds: str = "of tail reads"
    watchers: str = (
        # a tail read learns who watches as it reads; or "before": just before; or "before,
        # checked": and once more after
        "at once"
    )
    cursor: str = "horizon"  # or "highest", "highest + 1", "next", "horizon of a later snapshot"
    # or "first", "last": whose horizon a replay in two pages leaves as the cursor
    page: str = "none"
    inclusive: bool = True  # rows with changed_xid >= cursor, not >
    registers_first: bool = True
    rows_first: bool = True  # the cursor follows its rows
    cursor_waits: bool = True  # until the replay is through
    compare: str = "version"  # or "nothing", "changed_xid": what makes a state news for the client


@dataclass(frozen=True)
class Scenario:
    """Which job each transaction changes, and how many faults of each kind may happen."""

    name: str
    changes: tuple[int, ...]
    faults: dict[str, int] = field(default_factory=dict)


class Row(NamedTuple):
    version: int = 0
    xid: int = 0


class Item(NamedTuple):
    """In a socket's queue: rows by job, or a cursor."""

    rows: tuple[tuple[int, Row], ...] = ()
    cursor: int = 0


class State(NamedTuple):
    txs: tuple[tuple[str, int], ...]  # phase (new, running, committed, ended), xid
    rows: tuple[Row, ...]
    next_xid: int
    disk_xid: int  # after a crash, ids are handed out again from here
    messages: tuple[tuple[int, Row], ...]  # under way
    durable: Cut
    pending: Cut | None
    # by a tail read between asking who watches and reading: nobody, the client; else ""
    watched: str
    socket: str  # off, registered, replaying, replayed, on
    replay: tuple[int, Item] | None  # a replay between its two reads: a cursor, and the rows so far
    queue: tuple[Item, ...]
    known: tuple[Row, ...]  # to the client
    cursor: int  # the client's
    faults: tuple[int, ...]

    @property
    def listening(self) -> bool:
        """Whether the client's socket is registered."""
        return self.socket in {"registered", "replaying", "on"}


class Stream:
    """The model: `steps` under some rules in a scenario."""

    def __init__(self, rules: Rules, scenario: Scenario) -> None:
        self.rules = rules
        self.changes = scenario.changes
        jobs = (Row(),) * (max(scenario.changes) + 1)
        txs = (("new", 0),) * len(scenario.changes)
        faults = tuple(scenario.faults.get(kind, 0) for kind in FAULTS)
        self.initial = State(
            txs, jobs, 1, 1, (), Cut(1, 1), None, "", "off", None, (), jobs, 1, faults
        )

    @staticmethod
    def good(s: State) -> bool:
        """Nothing more will happen, and the client knows it all."""
        return all(phase == "ended" for phase, _ in s.txs) and [k.version for k in s.known] == [
            r.version for r in s.rows
        ]

    def steps(self, s: State) -> Iterator[Step]:
        yield from self._transactions(s)
        yield from self._messages(s)
        yield from self._socket(s)
        yield from self._client(s)
        if self.rules.tail:
            yield from self._tail(s)
        if left := spend(s, "crash"):
            txs = tuple(
                ("ended", xid) if phase == "running" else (phase, xid) for phase, xid in s.txs
            )
            pending = s.pending if self.rules.pending_over_crash else None
            yield Step(
                "Postgres crashes",
                left._replace(txs=txs, next_xid=s.disk_xid, pending=pending),
                fair=False,
            )

    def _transactions(self, s: State) -> Iterator[Step]:
        for t, (phase, xid) in enumerate(s.txs):
            job = self.changes[t]
            if phase == "new":
                if any(s.txs[u][0] == "new" and self.changes[u] == job for u in range(t)):
                    continue  # it is the same as the one before it
                yield Step(
                    f"tx{t} begins as {s.next_xid}",
                    with_tx(s, t, "running", s.next_xid)._replace(next_xid=s.next_xid + 1),
                )
            elif phase == "running":
                row = Row(s.rows[job].version + 1, xid)
                done = with_tx(s, t, "committed", xid)._replace(
                    rows=put(s.rows, job, row), disk_xid=max(s.disk_xid, xid + 1)
                )
                yield Step(f"tx{t} changes job {job} to version {row.version} and commits", done)
                if left := spend(with_tx(s, t, "ended", xid), "abort"):
                    yield Step(f"tx{t} aborts", left, fair=False)
            elif phase == "committed":
                row = next(row for row in self._history(s, job) if row.xid == xid)
                ended = with_tx(s, t, "ended", xid)
                yield Step(
                    f"tx{t} is published",
                    ended._replace(messages=tuple(sorted((*s.messages, (job, row))))),
                )
                if left := spend(ended, "loss"):
                    yield Step(f"tx{t}: what it publishes is lost", left, fair=False)

    def _history(self, s: State, job: int) -> Iterator[Row]:
        """The states of a job that a committed, unpublished transaction may have left: the newest,
        or one before it."""
        yield s.rows[job]
        version = s.rows[job].version
        for t, (phase, xid) in enumerate(s.txs):
            if self.changes[t] == job and phase == "committed" and xid != s.rows[job].xid:
                version -= 1
                yield Row(version, xid)

    def _messages(self, s: State) -> Iterator[Step]:
        for n, (job, row) in enumerate(s.messages):
            rest = s._replace(messages=s.messages[:n] + s.messages[n + 1 :])
            heard = rest._replace(queue=(*s.queue, Item(((job, row),)))) if s.listening else rest
            yield Step(f"the message of job {job}, version {row.version} arrives", heard)

    def _socket(self, s: State) -> Iterator[Step]:
        first = self.rules.registers_first
        if s.socket == "off" and first:
            yield Step("the client's socket is registered", s._replace(socket="registered"))
        if s.socket == ("registered" if first else "off"):
            yield self._replay(s)
        if s.socket == "replaying" and s.replay:
            yield self._second_read(s, *s.replay)
        if s.socket == "replayed":
            yield Step("the client's socket is registered", s._replace(socket="on"))
        if s.socket != "off" and (left := spend(s, "disconnect")):
            yield Step(
                "the client is cut off",
                left._replace(socket="off", replay=None, queue=()),
                fair=False,
            )

    def _replay(self, s: State) -> Step:
        rows = self._rows(s, Cut(s.cursor, s.cursor))
        action = f"replay from {s.cursor}"
        if self.rules.page != "none":
            ordered = sorted(rows, key=lambda item: (item[1].xid, item[0]))
            return Step(
                f"{action}, first page",
                s._replace(
                    socket="replaying", replay=(self._cursor(s, rows), Item(tuple(ordered[:1])))
                ),
            )
        if self.rules.cursor == "horizon of a later snapshot":
            return Step(
                f"{action}, rows only", s._replace(socket="replaying", replay=(0, Item(rows)))
            )
        return Step(action, self._replayed(s, Item(rows), self._cursor(s, rows)))

    def _second_read(self, s: State, cursor: int, sofar: Item) -> Step:
        if self.rules.page == "none":
            return Step(
                "the replay's horizon is read",
                self._replayed(s, sofar, s.durable.xmin if self.rules.durable else horizon(s)),
            )
        after = (sofar.rows[0][1].xid, sofar.rows[0][0]) if sofar.rows else (0, 0)
        rows = tuple(
            (job, row)
            for job, row in self._rows(s, Cut(s.cursor, s.cursor))
            if (row.xid, job) > after
        )
        if self.rules.page == "last":
            cursor = self._cursor(s, rows)
        return Step("replay, last page", self._replayed(s, Item((*sofar.rows, *rows)), cursor))

    def _replayed(self, s: State, rows: Item, cursor: int) -> State:
        return s._replace(
            socket="on" if self.rules.registers_first else "replayed",
            replay=None,
            queue=(*s.queue, *self._items(rows, s.cursor, cursor)),
        )

    def _items(self, rows: Item, known_cursor: int, cursor: int) -> tuple[Item, ...]:
        items = [rows] if rows.rows else []
        if cursor > known_cursor:
            items.insert(len(items) if self.rules.rows_first else 0, Item(cursor=cursor))
        return tuple(items)

    def _rows(self, s: State, cut: Cut) -> tuple[tuple[int, Row], ...]:
        skipped = -1 if self.rules.inclusive else cut.xmin
        return tuple(
            (job, row)
            for job, row in enumerate(s.rows)
            if row.xid and not cut.covers(row.xid) and row.xid != skipped
        )

    def _cursor(self, s: State, rows: tuple[tuple[int, Row], ...]) -> int:
        """The cursor after a read of `rows` in the snapshot of now."""
        if self.rules.cursor == "next":
            return s.next_xid
        if self.rules.cursor.startswith("highest"):
            return max((row.xid for _, row in rows), default=0) + (
                self.rules.cursor == "highest + 1"
            )
        return s.durable.xmin if self.rules.durable else horizon(s)

    def _tail(self, s: State) -> Iterator[Step]:
        now = snapshot(s) if self.rules.cut == "snapshot" else Cut(horizon(s), horizon(s))
        if self.rules.cursor not in {"horizon", "horizon of a later snapshot"}:
            below = max(self._cursor(s, self._rows(s, s.durable)), s.durable.xmin)
            now = Cut(below, below)
        if self.rules.rounds == "on their own" and (s.durable, s.pending) != (now, now):
            yield Step(
                f"round: {now.xmin} is the next cut",
                s._replace(durable=s.pending or s.durable, pending=now, disk_xid=s.next_xid),
            )
        if self.rules.rounds == "of tail reads" and self.rules.durable and s.pending:
            yield Step(
                "the horizon is made durable",
                s._replace(durable=s.pending, pending=None, disk_xid=s.next_xid),
            )
        if self.rules.watchers != "at once" and not s.watched:
            yield Step(
                "a tail read asks who watches",
                s._replace(watched="the client" if s.listening else "nobody"),
            )
        elif not s.queue:  # what waits for the client need not be read again yet
            yield from self._tail_read(s._replace(watched=""), now, s)

    def _tail_read(self, s: State, now: Cut, before: State) -> Iterator[Step]:
        told = before.watched == "the client" if before.watched else s.listening
        items: tuple[Item, ...] = ()
        if told and s.listening:
            rows = Item(self._rows(s, s.durable))
            with_cursor = s.socket == "on" or not self.rules.cursor_waits
            items = (
                self._items(rows, s.cursor, s.durable.xmin)
                if with_cursor
                else (rows,)
                if rows.rows
                else ()
            )
        after = s._replace(queue=items)
        if self.rules.watchers == "before, checked" and s.listening and not told:
            # this read was not for all who watch: the next one starts where it did
            after = after._replace(pending=None)
        elif self.rules.rounds == "of tail reads":
            after = (
                after._replace(pending=now if now != s.durable else None)
                if self.rules.durable
                else after._replace(durable=now)
            )
        if after != before:
            yield Step(f"tail read from {s.durable.xmin}", after)

    def _client(self, s: State) -> Iterator[Step]:
        if not s.queue:
            return
        item, rest = s.queue[0], s._replace(queue=s.queue[1:])
        if item.cursor:
            yield Step(f"the client notes cursor {item.cursor}", rest._replace(cursor=item.cursor))
            return
        known = s.known
        broken = set()
        for job, row in item.rows:
            old = known[job]
            news = {
                "version": row.version > old.version,
                "changed_xid": row.xid > old.xid,
                "nothing": True,
            }[self.rules.compare]
            if news:
                known = put(known, job, row)
                if row.version < old.version:
                    broken.add("I10")
        told = ", ".join(f"job {job} version {row.version}" for job, row in item.rows)
        yield Step(f"the client is told of {told}", rest._replace(known=known), frozenset(broken))


def horizon(s: State) -> int:
    return min((xid for phase, xid in s.txs if phase == "running"), default=s.next_xid)


def snapshot(s: State) -> Cut:
    """As pg_current_snapshot(): xmax is one above the highest that has ended."""
    running = sorted(xid for phase, xid in s.txs if phase == "running")
    return Cut(running[0] if running else s.next_xid, s.next_xid, tuple(running))


def put(values: tuple[Row, ...], n: int, value: Row) -> tuple[Row, ...]:
    return (*values[:n], value, *values[n + 1 :])


def with_tx(s: State, t: int, phase: str, xid: int) -> State:
    return s._replace(txs=(*s.txs[:t], (phase, xid if phase != "ended" else 0), *s.txs[t + 1 :]))


def spend(s: State, kind: str) -> State | None:
    n = FAULTS.index(kind)
    return (
        s._replace(faults=(*s.faults[:n], s.faults[n] - 1, *s.faults[n + 1 :]))
        if s.faults[n]
        else None
    )


QUIET = Scenario("two changes of one job", (0, 0), {"loss": 1, "disconnect": 1})
TWO = Scenario("two jobs", (0, 1), {"loss": 1, "disconnect": 1, "abort": 1})
CRASH = Scenario("crash", (0, 0), {"crash": 1, "loss": 1, "abort": 1})


def run(rules: Rules, scenario: Scenario, watch: str | None = None) -> Exploration:
    model = Stream(rules, scenario)
    seen = explore(
        model.initial,
        model.steps,
        good=model.good,
        stuck="gap",
        watch=None if watch is None else {watch},
    )
    print(f"{scenario.name}: {seen}")
    return seen


@pytest.mark.parametrize("scenario", [QUIET, TWO, CRASH], ids=lambda s: s.name)
@pytest.mark.parametrize("cut", ["horizon", "snapshot"])
def test_the_rules_hold(cut: str, scenario: Scenario) -> None:
    seen = run(Rules(cut=cut), scenario)
    assert not seen.broken, seen


def test_a_tail_read_that_checks_who_joined_holds() -> None:
    seen = run(Rules(watchers="before, checked"), QUIET)
    assert not seen.broken, seen


def test_a_replay_in_pages_holds() -> None:
    seen = run(Rules(page="first", durable=False), TWO)
    assert not seen.broken, seen


BROKEN = [
    ("> in place of >=", Rules(inclusive=False), QUIET, "gap"),
    ("cursor is the highest seen", Rules(cursor="highest", durable=False), QUIET, "gap"),
    (
        "cursor is one above the highest seen",
        Rules(cursor="highest + 1", durable=False),
        QUIET,
        "gap",
    ),
    ("cursor is the next xid", Rules(cursor="next", durable=False), QUIET, "gap"),
    (
        "horizon of a later snapshot",
        Rules(cursor="horizon of a later snapshot", durable=False),
        QUIET,
        "gap",
    ),
    ("replay, then register", Rules(registers_first=False), QUIET, "gap"),
    ("no tail read", Rules(tail=False), QUIET, "gap"),
    ("cursor before its rows", Rules(rows_first=False), QUIET, "gap"),
    ("a cursor before the replay is through", Rules(cursor_waits=False), QUIET, "gap"),
    ("horizon of the last page", Rules(page="last", durable=False), TWO, "gap"),
    ("no version check", Rules(compare="nothing"), QUIET, "I10"),
    ("compared by changed_xid", Rules(compare="changed_xid"), QUIET, "gap"),
    ("a horizon that is not durable", Rules(durable=False), CRASH, "gap"),
    ("a pending horizon kept over a crash", Rules(pending_over_crash=True), CRASH, "gap"),
    ("who watches is asked before the tail read", Rules(watchers="before"), QUIET, "gap"),
    ("rounds faster than tail reads", Rules(rounds="on their own"), QUIET, "gap"),
]


@pytest.mark.parametrize(
    ("rules", "scenario", "invariant"),
    [b[1:] for b in BROKEN],
    ids=[f"{b[0]}: {b[3]}" for b in BROKEN],
)
def test_a_broken_variant_is_found(rules: Rules, scenario: Scenario, invariant: str) -> None:
    seen = run(rules, scenario, watch=invariant)
    assert seen.broken, f"no breach of {invariant} found in {seen.states} states"
    assert seen.broken.invariant == invariant
