"""Histograms of durations whose sums are exact: each value falls into one of 120 buckets with
log-spaced bounds, four to a doubling. Pure; it must know nothing of what is measured."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

FIRST_S = 0.0001  # below the first bound values are not distinguished
PER_DOUBLING = 4
BOUNDS = tuple(FIRST_S * 2 ** (n / PER_DOUBLING) for n in range(1, 120))  # the last: about 25 h
# A quantile is the geometric middle of its bucket: off by this part of itself, at most, between
# FIRST_S and the last bound.
ERROR = 2 ** (0.5 / PER_DOUBLING) - 1

# the reported value of a quantile in each bucket; rounded: more digits would suggest false
# precision
MIDDLES = tuple(
    float(f"{FIRST_S * 2 ** ((n + 0.5) / PER_DOUBLING):.4g}") for n in range(len(BOUNDS) + 1)
)

_bucket_of = partial(bisect_right, BOUNDS)


def count_into(counts: Counter[int], seconds: Sequence[float]) -> None:
    """Counts values by their bucket. Cheap where all are alike."""
    if not seconds:
        return
    lowest = bisect_right(BOUNDS, min(seconds))
    if lowest == bisect_right(BOUNDS, max(seconds)):
        counts[lowest] += len(seconds)
    else:
        counts.update(map(_bucket_of, seconds))


def written(counts: Mapping[int, int]) -> list[int]:
    """As it is stored: [bucket, how many, bucket, how many, …]."""
    return [number for pair in sorted(counts.items()) for number in pair]


def read_into(counts: dict[int, int], pairs: Sequence[int]) -> None:
    """Adds a stored histogram."""
    stored = zip(pairs[::2], pairs[1::2], strict=True)
    if not counts:
        counts.update(stored)
        return
    for bucket, runs in stored:
        counts[bucket] = counts.get(bucket, 0) + runs


def quantiles(counts: Mapping[int, int], wanted: Iterable[float]) -> list[float]:
    """For each rising part `wanted` (0.5 is the median), the seconds that so many of the values are
    at most. There must be a value."""
    order = iter(sorted(counts.items()))
    bucket, upto = next(order)
    total = sum(counts.values())
    found = []
    for part in wanted:
        while upto < part * total:
            bucket, runs = next(order)
            upto += runs
        found.append(MIDDLES[bucket])
    return found
