"""Which lists of ids there are: one for each kind of capacity and set of job types that some live
worker listens for. So no id stands where nobody can run it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from monoq.app.pool import Pool
from monoq.queue.keys import QUEUE


@dataclass(frozen=True)
class JobList:
    """A LIST in Redis. `takes`: pairs of (suspect, type) whose jobs belong on it."""

    name: str
    pool: Pool
    takes: tuple[tuple[bool, str], ...]


class JobLists:
    """The lists that the live workers listen to. Workers with the same handlers share theirs.

    The usual names are `job_queue`, `job_queue:threads` and `job_queue:children`. A worker that
    does not know all the types of its kind which live workers know has lists of its own, with a
    digest of its types in the name. A job may then stand on two lists; it is claimed once.
    """

    def __init__(self) -> None:
        self.all: list[JobList] = []
        self._complete: dict[Pool, frozenset[tuple[bool, str]]] = {}
        self._by_type: dict[str, str] = {}

    def update(self, workers: Iterable[Mapping[str, Any]]) -> None:
        """Takes rows of list_workers.sql."""
        menus: dict[Pool, set[frozenset[tuple[bool, str]]]] = {pool: set() for pool in Pool}
        for worker in workers:
            for pool, takes in menus_of(
                worker["loop_types"], worker["thread_types"], worker["child_types"]
            ).items():
                if takes:
                    menus[pool].add(takes)
        self._complete = {pool: frozenset().union(*found) for pool, found in menus.items()}
        self.all = [self.listed(pool, takes) for pool, found in menus.items() for takes in found]
        # The longer lists first, so that the last one written, the common one, wins.
        self._by_type = {
            job_type: job_list.name
            for job_list in sorted(self.all, key=lambda one: len(one.takes))
            for suspect, job_type in job_list.takes
            if not suspect
        }

    def listed(self, pool: Pool, takes: frozenset[tuple[bool, str]]) -> JobList:
        """The list of a worker with this kind of capacity and these types."""
        name = QUEUE if pool is Pool.LOOP else f"{QUEUE}:{pool}"
        if takes != self._complete.get(pool, takes):
            text = "\n".join(f"{suspect} {job_type}" for suspect, job_type in sorted(takes))
            name = f"{name}:{blake2b(text.encode(), digest_size=6).hexdigest()}"
        return JobList(name, pool, tuple(sorted(takes)))

    def slots(self, workers: Iterable[Mapping[str, Any]]) -> Counter[str]:
        """How many jobs of each list run at once, at most. Takes rows of list_workers.sql."""
        of_lists: Counter[str] = Counter()
        for worker in workers:
            sizes = {
                Pool.LOOP: worker["slots"],
                Pool.THREADS: worker["threads"],
                Pool.CHILDREN: worker["children"],
            }
            for pool, takes in menus_of(
                worker["loop_types"], worker["thread_types"], worker["child_types"]
            ).items():
                if takes:
                    of_lists[self.listed(pool, takes).name] += sizes[pool]
        return of_lists

    def name_for(self, job_type: str) -> str | None:
        """Where the id of a new job of this type belongs; None: no live worker can run it."""
        return self._by_type.get(job_type)


def menus_of(
    loop_types: Sequence[str], thread_types: Sequence[str], child_types: Sequence[str]
) -> dict[Pool, frozenset[tuple[bool, str]]]:
    """What a worker takes for each kind of capacity. A suspect runs in a child, whatever it is."""
    every = (*loop_types, *thread_types, *child_types)
    return {
        Pool.LOOP: frozenset((False, job_type) for job_type in loop_types),
        Pool.THREADS: frozenset((False, job_type) for job_type in thread_types),
        Pool.CHILDREN: frozenset(
            [(False, job_type) for job_type in child_types]
            + [(True, job_type) for job_type in every]
        ),
    }
