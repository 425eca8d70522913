"""The order of what is next: by turns, and within a limit as evenly as the tenants have it."""

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from monoq.store.turns import count, merge, take_by_weight, take_by_work, take_turns


def ids(tenant: int, n: int) -> str:
    return ",".join(str(UUID(int=1000 * tenant + k)) for k in range(n))


def taken(text: str) -> list[tuple[int, int]]:
    """Pairs of tenant and number."""
    return [divmod(UUID(one).int, 1000) for one in text.split(",")] if text else []


counts = st.lists(st.integers(0, 60), max_size=12)


@given(counts, st.integers(1, 200), st.integers(1, 40))
def test_everybody_gets_an_even_share_of_the_limit_and_in_order(
    of_tenants: list[int], limit: int, together: int
) -> None:
    tenants = [ids(tenant, n) for tenant, n in enumerate(of_tenants)]
    found = taken(take_turns(tenants, limit, together))
    assert len(found) == min(limit, sum(of_tenants))
    for tenant in range(len(of_tenants)):
        mine = [n for one, n in found if one == tenant]
        assert mine == list(range(len(mine))), "each tenant's jobs keep their order"
    shares = Counter(tenant for tenant, _ in found)
    short = [shares[tenant] for tenant, n in enumerate(of_tenants) if shares[tenant] < n]
    if short:
        assert max(shares.values()) - min(short) <= 1, "nobody has more while another has less"
        full = [tenant for tenant, n in enumerate(of_tenants) if n > min(short)]
        more = [tenant for tenant in full if shares[tenant] > min(short)]
        assert more == full[: len(more)], "what is left over goes to the first"


@given(counts, st.integers(1, 200))
def test_nobodys_second_stands_before_all_firsts(of_tenants: list[int], limit: int) -> None:
    found = taken(take_turns([ids(tenant, n) for tenant, n in enumerate(of_tenants)], limit))
    turns = [n for _, n in found]
    assert turns == sorted(turns)


def test_by_weight_a_tenant_of_weight_three_gets_three_quarters_also_in_many_small_draws() -> None:
    texts = [ids(0, 500), ids(1, 500)]
    found = taken(take_by_weight(texts, 400, [3.0, 1.0]))
    assert Counter(tenant for tenant, _ in found) == {0: 300, 1: 100}
    small = Counter(
        tenant for _ in range(2000) for tenant, _ in taken(take_by_weight(texts, 2, [3.0, 1.0]))
    )
    assert 2700 < small[0] < 3300


@given(counts, st.integers(1, 200))
def test_by_weight_too_each_tenants_jobs_keep_their_order(
    of_tenants: list[int], limit: int
) -> None:
    weights = [0.5 + n % 3 for n in range(len(of_tenants))]
    texts = [ids(tenant, n) for tenant, n in enumerate(of_tenants)]
    found = taken(take_by_weight(texts, limit, weights))
    assert len(found) == min(limit, sum(of_tenants))
    for tenant in range(len(of_tenants)):
        mine = [n for one, n in found if one == tenant]
        assert mine == list(range(len(mine)))


def test_jobs_of_a_tenant_stand_together_as_asked() -> None:
    found = taken(take_turns([ids(0, 5), ids(1, 3)], 100, together=2))
    assert found == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (0, 4)]


@given(st.lists(st.lists(st.tuples(st.integers(-3, 3), st.floats(0, 9))), min_size=1, max_size=4))
def test_the_types_of_a_tenant_are_merged_by_priority_and_time(
    keys: list[list[tuple[int, float]]],
) -> None:
    parts = [(ids(part, len(one)), sorted(one)) for part, one in enumerate(keys) if one]
    merged = merge(parts)
    assert count(merged) == sum(map(len, keys))
    order = {(part, n): key for part, one in enumerate(keys) for n, key in enumerate(sorted(one))}
    found = [order[one] for one in taken(merged)]
    assert found == sorted(found)


def test_by_work_who_holds_least_for_its_weight_is_next() -> None:
    texts = [ids(tenant, 300) for tenant in range(3)]
    # long jobs: each start is a slot more
    long = Counter(
        tenant
        for tenant, _ in taken(take_by_work(texts, 12, [1, 1, 2], held=[9, 0, 4], loads=[1, 1, 1]))
    )
    assert long[0] == 0, "it holds more than its share"
    assert 2 <= long[1] <= 6
    assert 6 <= long[2] <= 10
    # both hold ten slots; the short jobs of one of them end fifty times before the next look
    short = Counter(
        tenant
        for tenant, _ in taken(
            take_by_work(texts[:2], 100, [1, 1], held=[10, 10], loads=[1.0, 0.02])
        )
    )
    assert short == {1: 100}, "who ends hundreds starts hundreds before another takes a slot more"


@given(counts, st.integers(1, 200), st.data())
def test_by_work_the_limit_is_used_and_each_tenants_jobs_keep_their_order(
    of_tenants: list[int], limit: int, data: st.DataObject
) -> None:
    n = len(of_tenants)
    held = data.draw(st.lists(st.integers(0, 50), min_size=n, max_size=n))
    loads = data.draw(st.lists(st.floats(0.002, 1), min_size=n, max_size=n))
    texts = [ids(tenant, jobs) for tenant, jobs in enumerate(of_tenants)]
    found = taken(take_by_work(texts, limit, [1.0] * n, held, loads))
    assert len(found) == min(limit, sum(of_tenants)), "no slot stays empty while somebody waits"
    for tenant in range(n):
        mine = [place for one, place in found if one == tenant]
        assert mine == list(range(len(mine)))
