"""A model of one process: messages, tail reads and shared replays of one job reach three sockets in
every order. The clients check nothing themselves. The rules as monoq has them must pass; each
broken variant must give its counter-example.

test_stream_model.py has transactions and cursors, and one socket; here are the hub's memory of
versions, and many sockets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from explore import Exploration, Step, explore

COMMITS = 2


@dataclass(frozen=True)
class Rules:
    """Each default is right."""

    learns: bool = True  # what a replay brought is known to the hub: nothing older is told later
    tells_others: bool = True  # and is told to those for whom it is news
    # what the hub has told meanwhile is not told again, older, from a replay
    drops_outdated: bool = True
    # what waits for a socket and is older than its replay is not told after it
    replaces_news: bool = True
    registers_first: bool = True
    joins_late: bool = False  # who comes while a read is under way is served by it


class Socket(NamedTuple):
    phase: str = "off"  # off, waiting (for a replay), on
    news: int = 0  # the version that waits; 0: none
    replay: int = 0  # the version in its replay
    told: int = 0

    @property
    def is_registered(self) -> bool:
        return self.phase in {"waiting", "on"}


class State(NamedTuple):
    version: int
    messages: tuple[int, ...]  # under way
    losses: int
    known: int  # to the hub
    tail: int  # what a tail read has read and not told yet; 0: none
    read: int | None  # what a replay's read has found; None: none is under way
    served: tuple[int, ...]  # by that read
    sockets: tuple[Socket, ...]  # one that was there from the start, and two that come back


class Process:
    """The model: `steps` under some rules."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.initial = State(0, (), 1, 0, 0, None, (), (Socket("on"), Socket(), Socket()))

    @staticmethod
    def good(s: State) -> bool:
        return s.version == COMMITS and all(socket.told == s.version for socket in s.sockets)

    def steps(self, s: State) -> Iterator[Step]:
        if s.version < COMMITS:
            version = s.version + 1
            yield Step(
                f"version {version} is committed and published",
                s._replace(version=version, messages=(*s.messages, version)),
            )
        for n, version in enumerate(s.messages):
            rest = s._replace(messages=s.messages[:n] + s.messages[n + 1 :])
            yield Step(f"the message of version {version} arrives", self._tell(rest, version))
            if s.losses:
                yield Step(
                    f"the message of version {version} is lost",
                    rest._replace(losses=s.losses - 1),
                    fair=False,
                )
        if s.version and not s.tail:
            yield Step(f"the tail reads version {s.version}", s._replace(tail=s.version))
        if s.tail:
            yield Step(
                f"the tail tells of version {s.tail}", self._tell(s._replace(tail=0), s.tail)
            )
        yield from self._replays(s)
        for n, socket in enumerate(s.sockets):
            yield from self._socket(s, n, socket)

    def _replays(self, s: State) -> Iterator[Step]:
        waiting = tuple(
            n
            for n, socket in enumerate(s.sockets)
            if socket.phase in {"waiting", "reading"} and n not in s.served
        )
        if s.read is None and waiting:
            yield Step(
                f"a replay for {waiting} reads version {s.version}",
                s._replace(read=s.version, served=waiting),
            )
        elif s.read is not None:
            served = (*s.served, *waiting) if self.rules.joins_late else s.served
            after = s._replace(read=None, served=())
            if self.rules.learns and s.read > s.known:
                others = (
                    ()
                    if not self.rules.tells_others
                    else [n for n in range(len(s.sockets)) if n not in served]
                )
                after = self._tell(after, s.read, others)
            for n in served:
                after = put(after, n, after.sockets[n]._replace(phase="on", replay=s.read))
            yield Step(f"{served} get version {s.read} as their replay", after)

    def _tell(
        self, s: State, version: int, whom: "list[int] | tuple[int, ...]" = (0, 1, 2)
    ) -> State:
        if version <= s.known:
            return s
        s = s._replace(known=version)
        for n in whom:
            if s.sockets[n].is_registered:
                s = put(s, n, s.sockets[n]._replace(news=version))
        return s

    def _socket(self, s: State, n: int, socket: Socket) -> Iterator[Step]:
        if socket.phase == "off":
            yield Step(
                f"socket {n} comes back",
                put(
                    s,
                    n,
                    socket._replace(phase="waiting" if self.rules.registers_first else "reading"),
                ),
            )
        elif socket.replay:
            rest = socket._replace(replay=0)
            if self.rules.drops_outdated and socket.replay < s.known:
                yield Step(f"socket {n} passes over version {socket.replay}", put(s, n, rest))
            else:
                news = 0 if self.rules.replaces_news else socket.news
                yield self._told(s, n, rest._replace(news=news), socket.replay)
        elif socket.news:
            yield self._told(s, n, socket._replace(news=0), socket.news)

    @staticmethod
    def _told(s: State, n: int, socket: Socket, version: int) -> Step:
        broken = frozenset({"I10"} if version < socket.told else ())
        return Step(
            f"socket {n} is told of version {version}",
            put(s, n, socket._replace(told=version)),
            broken,
        )


def put(s: State, n: int, socket: Socket) -> State:
    return s._replace(sockets=(*s.sockets[:n], socket, *s.sockets[n + 1 :]))


def run(rules: Rules, watch: str | None = None) -> Exploration:
    model = Process(rules)
    seen = explore(
        model.initial,
        model.steps,
        good=model.good,
        stuck="gap",
        watch=None if watch is None else {watch},
    )
    print(seen)
    return seen


def test_the_rules_hold() -> None:
    seen = run(Rules())
    assert not seen.broken, seen


BROKEN = [
    ("the hub does not learn what replays brought", Rules(learns=False), "I10"),
    ("the others are not told what a replay brought", Rules(tells_others=False), "gap"),
    ("an outdated replay is told", Rules(drops_outdated=False), "I10"),
    ("older news stays behind a replay", Rules(replaces_news=False), "I10"),
    ("replay, then register", Rules(registers_first=False), "gap"),
    ("a read under way serves who comes late", Rules(joins_late=True), "gap"),
]


@pytest.mark.parametrize(
    ("rules", "invariant"), [b[1:] for b in BROKEN], ids=[f"{b[0]}: {b[2]}" for b in BROKEN]
)
def test_a_broken_variant_is_found(rules: Rules, invariant: str) -> None:
    seen = run(rules, watch=invariant)
    assert seen.broken, f"no breach of {invariant} found in {seen.states} states"
    assert seen.broken.invariant == invariant
