"""Pricing against enumeration, on every kind of graph, under prices and branches."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from counts import count, examples
from hypothesis import given
from hypothesis import strategies as st
from strategies import instances

from offloadlib.formulations.structured.decomposition import pricing
from offloadlib.formulations.structured.decomposition.plan import plan_of
from offloadlib.formulations.structured.decomposition.pricing import Priced, Prices, Restrictions, price
from offloadlib.instances import LOCAL, Application, Instance, Solution, evaluate
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.series_parallel import Parallel, Series, Single, decompose


def used_price(instance: Instance, prices: Prices, m: int, row: Any) -> float:
    paid = sum(prices.capacity[n] for n in row if n != LOCAL)
    radio = instance.devices.connected_to[m]
    return float(paid + (prices.channels[radio] if any(n != LOCAL for n in row) else 0.0))


def least_by_enumeration(
    instance: Instance, prices: Prices, restrictions: Restrictions | None
) -> list[float]:
    """The least cost + prices of each device, from evaluating all its decisions."""
    usable = [LOCAL, *np.flatnonzero(instance.points.capacity > 0).tolist()]
    least = []
    sizes = [instance.applications[i].size for i in instance.devices.application]
    for m, size in enumerate(sizes):
        linked = instance.devices.connected_to[m] != LOCAL
        best = np.inf
        for row in itertools.product(usable if linked else [LOCAL], repeat=size):
            if restrictions is not None and not restrictions.keeps(m, np.array(row)):
                continue
            rows = [[LOCAL] * other for other in sizes]
            rows[m] = list(row)
            cost = evaluate(instance, Solution.from_rows(instance, rows)).cost[m]
            best = min(best, cost + used_price(instance, prices, m, row))
        least.append(best)
    return least


@pytest.fixture(params=["labels", "search"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both kernels: search can do what labels do."""
    if request.param == "search":
        monkeypatch.setattr(pricing, "plan", lambda application: None)
    return str(request.param)


def draw_case(data: st.DataObject) -> tuple[Instance, Prices, Restrictions | None]:
    instance = data.draw(instances(max_devices=2, max_points=2, max_subtasks=5))
    size = st.floats(0, 2) | st.just(0.0)
    values = data.draw(st.lists(size, min_size=2 * instance.num_points, max_size=2 * instance.num_points))
    prices = Prices(np.array(values[: instance.num_points]), np.array(values[instance.num_points :]))
    if not data.draw(st.booleans()):
        return instance, prices, None
    restrictions = Restrictions(instance)
    for _ in range(data.draw(st.integers(1, 3))):
        m = data.draw(st.integers(0, instance.num_devices - 1))
        size_of = instance.applications[int(instance.devices.application[m])].size
        k = data.draw(st.integers(0, size_of - 1))
        place = data.draw(st.integers(LOCAL, instance.num_points - 1))
        restrictions.branch(m, k, place, data.draw(st.booleans()))
    return instance, prices, restrictions


def check_attained(instance: Instance, prices: Prices, found: Priced, expected: list[float]) -> None:
    """The decisions attain the values that are no relaxations, and never less than the least."""
    costs = evaluate(instance, found.solution).cost
    for m, row in enumerate(found.solution.rows(instance)):
        if np.isfinite(expected[m]):
            attained = costs[m] + used_price(instance, prices, m, row)
            if found.relaxed[m]:
                assert attained >= expected[m] * (1 - 1e-12)
            else:
                assert attained == pytest.approx(expected[m], rel=1e-12)


@examples(1000, 21)
@given(data=st.data())
def check_against_enumeration(data: st.DataObject) -> None:
    instance, prices, restrictions = draw_case(data)
    found = price(instance, prices, restrictions)
    expected = least_by_enumeration(instance, prices, restrictions)
    np.testing.assert_allclose(found.value, expected, rtol=1e-12, atol=1e-300)
    assert not found.relaxed.any()
    check_attained(instance, prices, found, expected)


@examples(1000, 21)
@given(data=st.data())
def check_relaxation(data: st.DataObject) -> None:
    instance, prices, restrictions = draw_case(data)
    found = price(instance, prices, restrictions)
    expected = np.array(least_by_enumeration(instance, prices, restrictions))
    assert (found.value <= expected).all()
    exact = ~found.relaxed
    np.testing.assert_allclose(found.value[exact], expected[exact], rtol=1e-12, atol=1e-300)
    check_attained(instance, prices, found, expected.tolist())


def test_pricing_equals_enumeration(kernel: str) -> None:
    check_against_enumeration()


@pytest.fixture
def cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task is searched, and no search may branch."""
    monkeypatch.setattr(pricing, "plan", lambda application: None)
    monkeypatch.setattr(pricing, "LARGEST_SEARCH", 1)


@pytest.mark.usefixtures("cut_short")
def test_the_relaxation_is_a_lower_bound() -> None:
    check_relaxation()


def larger(application: str, seed: int) -> tuple[Instance, Prices, Restrictions]:
    """An instance too large to enumerate, prices that leave some of it in doubt, and a few branches."""
    instance = generate(Setting(devices=6, offload_points=5, applications=(application,)), seed=seed)
    rng = np.random.default_rng(seed)
    prices = Prices(rng.uniform(0.01, 0.06, 5), np.zeros(5))
    restrictions = Restrictions(instance)
    for m in range(3):
        for k in rng.integers(0, instance.groups[0].application.size, 3).tolist():
            restrictions.branch(m, k, int(rng.integers(LOCAL, 5)), bool(rng.random() < 0.3))
    return instance, prices, restrictions


def agree_on_series_parallel(seeds: range, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in seeds:
        case = larger("series-parallel-16", seed)
        by_labels = price(*case)
        with monkeypatch.context() as patch:
            patch.setattr(pricing, "plan", lambda application: None)
            by_search = price(*case)
            assert not by_search.relaxed.any()
            np.testing.assert_allclose(by_search.value, by_labels.value, rtol=1e-12)
            patch.setattr(pricing, "LARGEST_SEARCH", 1)
            assert (price(*case).value <= by_labels.value).all()


def test_search_agrees_with_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    agree_on_series_parallel(range(count(510, 10)), monkeypatch)


def test_a_search_that_is_cut_short_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    case = larger("layered-20", 1)
    exact = price(*case)
    monkeypatch.setattr(pricing, "LARGEST_SEARCH", 1)
    bound = price(*case)
    assert not exact.relaxed.any()
    assert bound.relaxed.any()
    assert (bound.value[bound.relaxed] < exact.value[bound.relaxed]).all()
    np.testing.assert_allclose(bound.value[~bound.relaxed], exact.value[~bound.relaxed], rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_tolerance_is_kept(seed: int) -> None:
    """Bounds and decisions are within it, and together as well."""
    case = larger("layered-20", seed)
    exact = price(*case)
    scale = exact.value[np.isfinite(exact.value)].max()
    for tolerance in (1e-5 * scale, 1e-2 * scale):
        near = price(*case, tolerance=tolerance)
        assert not near.relaxed.any()
        assert (near.value <= exact.value * (1 + 1e-12)).all()
        costs = evaluate(case[0], near.solution).cost
        for m, row in enumerate(near.solution.rows(case[0])):
            if np.isfinite(exact.value[m]):
                attained = costs[m] + used_price(case[0], case[1], m, row)
                assert exact.value[m] * (1 - 1e-12) <= attained
                assert attained <= near.value[m] + tolerance + 1e-12 * scale


def test_pricing_that_is_stopped_has_a_bound() -> None:
    case = larger("layered-20", 1)
    exact = price(*case)
    stopped = price(*case, stopped=np.ones(1, dtype=np.bool_))
    assert stopped.relaxed.any()
    assert (stopped.value <= exact.value).all()
    assert (stopped.value >= 0.5 * exact.value).all()


def test_many_devices_are_priced_in_parallel_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = generate(Setting(devices=40, offload_points=4, applications=("layered-10",)), seed=2)
    prices = Prices(np.full(4, 0.03), np.zeros(4))
    whole = price(instance, prices)
    monkeypatch.setattr(pricing, "SEARCHED", 40)
    alone = price(instance, prices)
    np.testing.assert_array_equal(whole.value, alone.value)
    for one, other in zip(whole.solution.places, alone.solution.places, strict=True):
        np.testing.assert_array_equal(one, other)


GRAPHS = {
    "chain": "ab bc cd de",
    "fork-join": "ab ac ad ae bf cf df ef",
    "nested": "ab bc bd ce de af eg fg",
    "two by two": "ac bc ad bd ce de",
    "redundant arc": "ab bc cd ad ac",
    "two heads, two tails": "ac bc cd ce",
    "in parallel": "ab cd",
}


@pytest.mark.parametrize("arcs", GRAPHS.values(), ids=GRAPHS)
def test_series_parallel_graphs_have_a_plan(arcs: str) -> None:
    assert plan_of(application(arcs)) is not None


def application(arcs: str) -> Application:
    names = sorted({name for arc in arcs.split() for name in arc})
    number = {name: k for k, name in enumerate(names)}
    return Application("x", tuple(names), tuple((number[arc[0]], number[arc[1]]) for arc in arcs.split()))


def test_the_pattern_n_is_not_series_parallel() -> None:
    assert decompose(application("ac ad bd")) is None
    assert plan_of(application("ac ad bd")) is None


def test_decomposition_of_the_papers_task() -> None:
    face = decompose(application("ab bc bd ce de"))
    assert face == Series((Single(0), Single(1), Parallel((Single(2), Single(3))), Single(4)))


def test_a_wide_fork_needs_few_lists() -> None:
    """Branches are independent given the fork and the join: no list per assignment of all of them."""
    branches = "bcdefghijklmnop"
    plan = plan_of(application(" ".join([f"a{x}" for x in branches] + [f"{x}q" for x in branches])))
    assert plan is not None
    assert len(plan.options) <= 4 * len(branches) * 2 + 8


@examples(30)
@given(instance=instances(max_devices=3, max_points=2))
def test_the_lagrangian_bounds_every_solution(instance: Instance) -> None:
    from brute import brute_force

    from offloadlib.formulations.structured.decomposition.master import Master

    optimum, _ = brute_force(instance)
    master = Master(instance, optimum)
    rng = np.random.default_rng(1)
    for scale in (0.0, 0.01, 0.1, 1.0):
        channels = np.where(instance.points.channels < 10**9, rng.uniform(0, scale, instance.num_points), 0)
        prices = Prices(rng.uniform(0, scale, instance.num_points), channels)
        bound, _ = master.lagrangian(prices, None)
        assert bound <= optimum * (1 + 1e-12) + 1e-12


def city(devices: int = 40, application: str = "layered-6") -> Instance:
    return generate(Setting(devices=devices, applications=(application,)), seed=1)


@pytest.mark.parametrize("application", ["layered-6", "fork-join-4"])
def test_when_time_is_up_every_device_has_a_bound(application: str) -> None:
    """Also those that no chunk had begun with."""
    instance = city(application=application)
    prices = Prices(np.full(instance.num_points, 0.02), np.zeros(instance.num_points))
    exact, late = price(instance, prices), price(instance, prices, stopped=np.ones(1, dtype=np.bool_))
    assert late.relaxed.any()
    assert np.all(late.value <= exact.value * (1 + 1e-12))
    assert np.all(late.value >= 0.3 * exact.value)  # flows that add nothing bound by the subtasks alone
    assert evaluate(instance, late.solution).total < np.inf


def test_a_task_with_too_many_labels_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = city(application="fork-join-4")
    prices = Prices(np.full(instance.num_points, 0.02), np.zeros(instance.num_points))
    exact = price(instance, prices)
    monkeypatch.setattr(pricing, "price_by_labels", lambda *arguments: False)
    searched = price(instance, prices)
    assert not searched.relaxed.any()
    assert searched.value == pytest.approx(exact.value, rel=1e-12)
