"""How the waiting jobs of several tenants are put in one order: by turns, or by
weight. Pure.

Ids travel as texts, "id,id,…" of 37 characters each (36 and a comma): a slice of such a text costs
the same for one id as for thousands.
"""

import heapq
import random
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


def cut(ids: str, limit: int) -> str:
    """The first `limit` ids."""
    return ids[: max(WIDTH * limit - 1, 0)]


def take_turns(tenants: Sequence[str], limit: int, together: int = 1) -> str:
    """Up to `limit` ids: each tenant's first, then each tenant's second, and so on; in a turn, in
    the order of `tenants`.

    `together`: so many jobs of a tenant stand together. It changes the order alone, not who is
    taken. So a batch has fewer rows of changes and counts, and fewer messages.
    """
    taken = shares([count(ids) for ids in tenants], limit)
    chosen: list[str] = []
    for first in range(0, max(taken, default=0), together):
        for ids, share in zip(tenants, taken, strict=True):
            if first < share:
                chosen.append(ids[WIDTH * first : WIDTH * min(first + together, share) - 1])
    return ",".join(chosen)


def take_by_weight(tenants: Sequence[str], limit: int, weights: Sequence[float]) -> str:
    """Up to `limit` ids; a tenant of weight 2 gets two jobs where one of weight 1 gets one."""
    order = draw([count(ids) for ids in tenants], limit, weights)
    return ",".join(
        tenants[tenant][WIDTH * place : WIDTH * place + WIDTH - 1] for tenant, place in order
    )


def take_by_work(
    tenants: Sequence[str],
    limit: int,
    weights: Sequence[float],
    held: Sequence[int],
    loads: Sequence[float],
) -> str:
    """Up to `limit` ids, so that what each tenant holds of the slots becomes its share by weight.

    The next start is always of the tenant that would hold least, for its weight, in the mean over
    the time to come: the slots it holds now and the starts it is given before count as `loads`,
    the part of that time that its jobs run. Jobs that run long count as one, whatever they are.
    """
    rates = [weight / load for weight, load in zip(weights, loads, strict=True)]
    order = draw([count(ids) for ids in tenants], limit, rates, held)
    return ",".join(
        tenants[tenant][WIDTH * place : WIDTH * place + WIDTH - 1] for tenant, place in order
    )


def draw(
    counts: Sequence[int], limit: int, weights: Sequence[float], held: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """Whose turn it is, by weight: up to `limit` pairs of a tenant and a place among its jobs.

    The order of start-time fair queuing (Goyal, Vin and Cheng, SIGCOMM 1996): the k-th job of a
    tenant has the tag k / weight; `held`: how many it has had before. Each draw begins anywhere
    within a tenant's first turn: draws remember nothing of one another, and many small ones would
    else round in favour of the same.
    """
    tags = [
        ((before + place + phase) / weight, tenant, place)
        for tenant, (n, weight, before) in enumerate(
            zip(counts, weights, held or [0] * len(counts), strict=True)
        )
        for phase in (random.random(),)  # noqa: S311
        for place in range(min(n, limit))
    ]
    tags.sort()
    return [(tenant, place) for _, tenant, place in tags[:limit]]


def shares(counts: Sequence[int], limit: int) -> list[int]:
    """How many each gets of `limit`, as evenly as they have them; what is left over goes to the
    first."""
    if sum(counts) <= limit:
        return list(counts)
    level, left, remaining = 0, limit, len(counts)
    for n in sorted(counts):
        if (n - level) * remaining > left:
            break
        left -= (n - level) * remaining
        level = n
        remaining -= 1
    level += left // remaining
    left %= remaining
    given = []
    for n in counts:
        more = n > level and left > 0
        left -= more
        given.append(min(n, level) + more)
    return given
