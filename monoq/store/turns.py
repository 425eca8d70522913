"""How the waiting jobs of several tenants are put in one order: by turns. Pure.

Ids travel as texts, "id,id,…" of 37 characters each (36 and a comma): a slice of such a text costs
the same for one id as for thousands.
"""

import heapq
from collections.abc import Sequence

WIDTH = 37  # characters of an id and its comma


def count(ids: str) -> int:
    """How many ids such a text has."""
    return (len(ids) + 1) // WIDTH


def merge(parts: Sequence[tuple[str, Sequence[tuple[int, float]]]]) -> str:
    """The jobs of one tenant out of several texts, by (priority, time). Each part: a text and the
    keys of its jobs, in order."""
    streams = [zip(keys, ids.split(","), strict=True) for ids, keys in parts]
    return ",".join(job_id for _, job_id in heapq.merge(*streams))


def take_turns(tenants: Sequence[str], limit: int, together: int = 1) -> str:
    """Up to `limit` ids: each tenant's first, then each tenant's second, and so on; in a turn, in
    the order of `tenants`.

    `together`: so many jobs of a tenant stand together. It changes the order alone, not who is
    taken. So a batch has fewer rows of changes and counts, and fewer messages.
    """
    taken = _shares([count(ids) for ids in tenants], limit)
    chosen: list[str] = []
    for first in range(0, max(taken, default=0), together):
        for ids, share in zip(tenants, taken, strict=True):
            if first < share:
                chosen.append(ids[WIDTH * first : WIDTH * min(first + together, share) - 1])
    return ",".join(chosen)


def _shares(counts: Sequence[int], limit: int) -> list[int]:
    """How many each gets, as evenly as they have it; what is left over goes to the first."""
    if sum(counts) <= limit:
        return list(counts)
    level, left = 0, limit
    remaining = len(counts)
    for n in sorted(counts):
        if (n - level) * remaining > left:
            break
        left -= (n - level) * remaining
        level = n
        remaining -= 1
    level += left // remaining
    left %= remaining
    shares = []
    for n in counts:
        more = n > level and left > 0
        left -= more
        shares.append(min(n, level) + more)
    return shares
