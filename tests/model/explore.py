"""A breadth-first search through every interleaving of a small model: breaches of safety, and
states from which nothing good can come.

A model is a function from a state (an immutable, hashable value) to its steps. The first breach
found is a shortest one; it is shown as the list of actions that leads to it.
"""

import time
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Step(NamedTuple):
    """One action and where it leads. `broken`: the invariants that it breaks. `fair`: it happens
    sooner or later; a fault need not."""

    action: str
    state: Hashable
    broken: frozenset[str] = frozenset()
    fair: bool = True


@dataclass(frozen=True)
class CounterExample:
    """How an invariant is broken: the actions from the initial state, and the state they lead
    to."""

    invariant: str
    actions: list[str]
    state: Hashable

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.invariant} is broken by",
                *(f"  {n}. {a}" for n, a in enumerate(self.actions, 1)),
                f"  -> {self.state}",
            ]
        )


@dataclass(frozen=True)
class Exploration:
    """What a search has seen."""

    states: int
    steps: int
    seconds: float
    broken: CounterExample | None

    def __str__(self) -> str:
        return (
            f"{self.states:,} states, {self.steps:,} steps, {self.seconds:.1f} s\n"
            f"{self.broken or 'no invariant is broken'}"
        )


def explore(
    initial: Hashable,
    steps: Callable[..., Iterable[Step]],
    *,
    good: Callable[..., bool],
    stuck: str,
    watch: Iterable[str] | None = None,
    limit: int = 300_000,
) -> Exploration:
    """Visits every state that `steps` can reach.

    Safety: stops at the first step that breaks an invariant in `watch` (None: any). Liveness: from
    every state a `good` one must be reachable by fair steps alone; if not, the invariant named
    `stuck` is broken.
    """
    start = time.monotonic()
    watched = None if watch is None else set(watch)
    numbers = {initial: 0}
    states = [initial]
    parents = array("l", [-1])
    actions = [""]
    sources, targets = array("l"), array("l")  # the fair steps
    taken = 0

    def found(invariant: str, number: int, *last: Step) -> Exploration:
        path = [*_path(number, parents, actions), *(step.action for step in last)]
        broken = CounterExample(invariant, path, last[0].state if last else states[number])
        return Exploration(len(states), taken, time.monotonic() - start, broken)

    number = 0
    while number < len(states):
        for step in steps(states[number]):
            taken += 1
            for invariant in sorted(step.broken):
                if watched is None or invariant in watched:
                    return found(invariant, number, step)
            target = numbers.setdefault(step.state, len(states))
            if target == len(states):
                assert target < limit, f"more than {limit:,} states: make the model smaller"
                states.append(step.state)
                parents.append(number)
                actions.append(step.action)
            if step.fair:
                sources.append(number)
                targets.append(target)
        number += 1

    if watched is None or stuck in watched:
        hopeful = _reaching(
            [n for n, state in enumerate(states) if good(state)], len(states), sources, targets
        )
        if (hopeless := hopeful.find(0)) >= 0:
            return found(stuck, hopeless)
    return Exploration(len(states), taken, time.monotonic() - start, None)


def _path(number: int, parents: "array[int]", actions: list[str]) -> Iterator[str]:
    backwards = []
    while parents[number] >= 0:
        backwards.append(actions[number])
        number = parents[number]
    return reversed(backwards)


def _reaching(
    goals: list[int], size: int, sources: "array[int]", targets: "array[int]"
) -> bytearray:
    """For each state, whether one of `goals` can be reached from it."""
    before: list[list[int]] = [[] for _ in range(size)]
    for source, target in zip(sources, targets, strict=True):
        before[target].append(source)
    reached = bytearray(size)
    for goal in goals:
        reached[goal] = 1
    while goals:
        for source in before[goals.pop()]:
            if not reached[source]:
                reached[source] = 1
                goals.append(source)
    return reached
