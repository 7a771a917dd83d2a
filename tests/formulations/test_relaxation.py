"""First prices from the program's relaxation: what it says of devices, against pricing and the solver."""

from __future__ import annotations

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from hypothesis import given
from strategies import instances

from offloadlib.formulations.engine.highs import LinearRelaxation
from offloadlib.formulations.structured import pooling
from offloadlib.formulations.structured.decomposition import branch_and_price, master
from offloadlib.formulations.structured.decomposition.branch_and_price import solve
from offloadlib.formulations.structured.decomposition.master import lagrangian_bound
from offloadlib.formulations.structured.decomposition.pricing import price
from offloadlib.formulations.structured.decomposition.relaxation import relaxation
from offloadlib.formulations.structured.decomposition.tables import Learnt
from offloadlib.formulations.structured.milp import arrays
from offloadlib.formulations.structured.search import can_offload, unconnected_cost
from offloadlib.instances import Budget, Instance, Solution, Status, Termination, evaluate
from offloadlib.instances.structured.generate import Setting, generate


@examples(500)
@given(instance=instances())
def test_devices_cost_no_less(instance: Instance) -> None:
    """At the relaxation's prices a device costs at least what the relaxation says."""
    objective = evaluate(instance, Solution.all_local(instance)).total
    found = relaxation(instance, objective, np.inf)
    assert (found is not None) == (can_offload(instance) and objective > 0)
    if found is None:
        return
    least = price(instance, found.prices).value
    learnt = Learnt(instance)
    learnt.flow = found.flow
    np.testing.assert_allclose(price(instance, found.prices, learnt=learnt).value, least, rtol=1e-9)
    assert (found.value <= least + 1e-9 * np.abs(least)).all()
    assert lagrangian_bound(instance, found.prices, found.value) <= brute_force(instance)[0] * (1 + 1e-9)


@examples(500)
@given(instance=instances())
def test_flows_are_unit_flows(instance: Instance) -> None:
    found = relaxation(instance, evaluate(instance, Solution.all_local(instance)).total, np.inf)
    for group, flow in zip(instance.groups, found.flow if found else (), strict=found is not None):
        application, size = group.application, group.application.size
        through, along = flow[:, :size], flow[:, size:]
        assert (flow >= 0).all()
        np.testing.assert_allclose(through[:, application.heads].sum(axis=1), 1.0)
        np.testing.assert_allclose(through[:, application.tails].sum(axis=1), 1.0)
        for k in range(size):
            into = [arc for arc, (_, end) in enumerate(application.edges) if end == k]
            on = [arc for arc, (begin, _) in enumerate(application.edges) if begin == k]
            for arcs in (into, on):
                if arcs:
                    np.testing.assert_allclose(along[:, arcs].sum(axis=1), through[:, k], atol=1e-12)


@pytest.mark.parametrize("application", ["layered-30", "series-parallel-20"])
def test_searches_begin_with_the_bound_of_the_relaxation(application: str) -> None:
    """Where there is no time for more than a search's root, its bound is near that of the program."""
    instance = generate(Setting(devices=6, applications=(application,), capacity=10), seed=3)
    found = relaxation(instance, evaluate(instance, Solution.all_local(instance)).total, np.inf)
    assert found is not None
    learnt = Learnt(instance)
    learnt.flow = found.flow
    bound = lagrangian_bound(
        instance, found.prices, price(instance, found.prices, largest_search=1, learnt=learnt).value
    )
    program = LinearRelaxation(arrays.formulate(pooling.pool(instance)).program)
    assert program.solve(np.inf) is not None
    even = lagrangian_bound(instance, found.prices, price(instance, found.prices, largest_search=1).value)
    assert program.objective * (1 - 1e-4) <= bound
    assert even < bound


@pytest.mark.parametrize("application", ["layered-12", "series-parallel-12", "chain-6"])
def test_the_sum_is_the_relaxation(application: str) -> None:
    instance = generate(Setting(devices=8, applications=(application,), capacity=7), seed=2)
    found = relaxation(instance, evaluate(instance, Solution.all_local(instance)).total, np.inf)
    assert found is not None
    program = LinearRelaxation(arrays.formulate(pooling.pool(instance)).program)
    assert program.solve(np.inf) is not None
    bound = lagrangian_bound(instance, found.prices, found.value)
    assert bound >= (program.objective + unconnected_cost(instance)) * (1 - 1e-6)


@examples(100, 20)
@given(instance=instances())
def test_where_searches_take_long_the_optimum_is_the_same(instance: Instance) -> None:
    optimum, _ = brute_force(instance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(branch_and_price, "SOON", -1.0)  # they always do
        patch.setattr(master, "labelled", lambda _: False)
        result = solve(instance, Budget(time_limit=1e6))
    assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert result.lower_bound == pytest.approx(optimum, rel=1e-8, abs=1e-12)


def test_where_effort_is_refused_a_second_search_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = generate(Setting(devices=4, applications=("layered-12",), capacity=5), seed=1)
    start, budget = Solution.all_local(instance), Budget(time_limit=1e6)
    optimum = solve(instance, budget)
    monkeypatch.setattr(branch_and_price, "SOON", -1.0)
    monkeypatch.setattr(branch_and_price, "ROUGH_SEARCH", 1)
    monkeypatch.setattr(branch_and_price, "AFFORDABLE", -1.0)
    monkeypatch.setattr(branch_and_price, "GAINED", np.inf)  # no more at the first prices
    alone, refused = branch_and_price._searched(instance, start, budget, certify=False, affordable=-1.0)
    assert (alone.termination, refused) == (Termination.STALLED, True)
    result = solve(instance, budget)
    assert (optimum.status, result.status) == (Status.OPTIMAL, Status.OPTIMAL)
    assert result.objective == pytest.approx(optimum.objective, rel=1e-9)
