"""Histograms whose sums are exact, and whose quantiles are off by no more than they say."""

import random
from collections import Counter

import pytest

from monoq.observe import buckets


def counted(values: list[float]) -> Counter[int]:
    counts: Counter[int] = Counter()
    buckets.count_into(counts, values)
    return counts


@pytest.mark.parametrize("seed", range(20))
def test_a_quantile_is_off_by_the_told_part_of_itself_at_most(seed: int) -> None:
    chance = random.Random(seed)
    values = [10 ** chance.uniform(-4, 4.8) for _ in range(chance.randint(1, 3000))]
    parts = (0.5, 0.95, 0.99, 1.0)
    ordered = sorted(values)
    for part, found in zip(parts, buckets.quantiles(counted(values), parts), strict=True):
        truth = ordered[max(0, -int(-part * len(values) // 1) - 1)]
        assert abs(found / truth - 1) <= buckets.ERROR + 1e-3, (part, found, truth)


def test_histograms_of_parts_are_the_histogram_of_the_whole() -> None:
    chance = random.Random(1)
    parts = [[chance.expovariate(0.1) for _ in range(chance.randint(0, 50))] for _ in range(30)]
    summed: dict[int, int] = {}
    for part in parts:
        buckets.read_into(summed, buckets.written(counted(part)))
    assert summed == counted([value for part in parts for value in part])
    assert sum(summed.values()) == sum(map(len, parts))


def test_what_is_out_of_reach_is_counted_in_the_outermost_buckets() -> None:
    assert counted([0.0, 1e-9]) == {0: 2}
    assert counted([1e9, 2.0**60]) == {len(buckets.BOUNDS): 2}
    assert buckets.quantiles(counted([0.0]), [0.5])[0] < 2 * buckets.FIRST_S
