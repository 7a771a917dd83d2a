"""Large neighbourhoods: bounds and searches equal brute force, choices keep all limits and get no dearer."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from counts import count
from format2 import assignment

from offloadlib.formulations.structured.limited.branch_and_price import BranchAndPrice
from offloadlib.formulations.structured.limited.renewal import (
    ROUNDS,
    Neighbourhood,
    SearchState,
    decide,
    renewed,
    tune,
)
from offloadlib.instances import Budget
from offloadlib.instances.compiled import read_only


@pytest.mark.parametrize("seed", range(count(300, 40)))
def test_a_set_decides_as_brute_force_does(seed: int) -> None:
    """The bound is below every choice, and what is found is the cheapest other one that is allowed."""
    draw = np.random.default_rng(seed)
    devices, limits = int(draw.integers(1, 6)), int(draw.integers(1, 4))
    start = np.cumsum([0, *draw.integers(2, 5, devices)])
    cost = draw.integers(0, 20, start[-1]).astype(float)
    use = draw.integers(0, 6, (start[-1], limits)).astype(float)
    left = draw.integers(devices, 4 * devices, limits).astype(float)
    here = Neighbourhood(*map(read_only, (start, cost, use, left)))

    every = [
        list(some)
        for some in product(*(range(start[d], start[d + 1]) for d in range(devices)))
        if (use[list(some)].sum(axis=0) <= left).all()
    ]
    before = every[int(draw.integers(len(every)))] if every else start[:-1].tolist()
    most = float(cost[before].sum()) + float(draw.integers(0, 3)) + 0.5
    prices, beyond, step = draw.random(limits), np.empty(start[-1]), np.empty(limits)
    bound = tune(here, most, ROUNDS, prices, beyond, step)
    assert (prices >= 0).all()
    for some in every:
        value = bound + beyond[some].sum() + prices @ (left - use[some].sum(axis=0))
        assert value == pytest.approx(cost[some].sum())

    order = np.concatenate(
        [start[d] + np.argsort(beyond[start[d] : start[d + 1]], kind="stable") for d in range(devices)]
    )
    position = np.argsort(order)
    here = Neighbourhood(*map(read_only, (start, cost[order], use[order], left)))
    least_use = np.zeros((devices + 1, limits))
    for d in range(devices - 1, -1, -1):
        least_use[d] = least_use[d + 1] + use[start[d] : start[d + 1]].min(axis=0)
    found = np.empty(devices, np.int64)
    walk = SearchState(np.empty(devices, np.int64), np.empty(devices + 1), np.empty((devices + 1, limits)))
    tuned = *map(read_only, (prices, beyond[order], least_use)), most - bound
    decide(here, *tuned, 10**6, walk, read_only(position[before]), found)
    others = [float(cost[some].sum()) for some in every if some != before]
    best = min((value for value in others if value < most), default=math.inf)
    if found[0] < 0:
        assert best == math.inf
    else:
        chosen = order[found].tolist()
        assert chosen in every
        assert chosen != before
        assert cost[chosen].sum() == best


@pytest.mark.parametrize("seed", range(count(60, 8)))
def test_choices_keep_all_limits_and_get_no_dearer(seed: int) -> None:
    draw = np.random.default_rng(seed)
    agents, jobs = int(draw.integers(2, 5)), int(draw.integers(2, 13))
    uses, costs = draw.integers(1, 9, (agents, jobs)), draw.integers(1, 30, (agents, jobs))
    instance = assignment(costs.tolist(), uses.tolist(), [int(6 * jobs / agents) + 1] * agents)
    search = BranchAndPrice(instance, None, Budget(seed=seed))
    charge = search.begin()
    if charge is None or search.solution is None:
        return
    columns, right = search._known.columns, search._known.limits.right
    chosen = columns.of(search._known.limits.table(search.solution))
    given = search.lagrangian, columns, charge.prices, chosen, search.lower_bound
    best = renewed(*given, lambda: False, seed)
    np.testing.assert_array_equal(columns.device[best], np.arange(jobs))
    assert (np.asarray(columns.use[best].sum(axis=0)) <= right + 1e-9).all()
    assert columns.cost[best].sum() <= columns.cost[chosen].sum()
    np.testing.assert_array_equal(best, renewed(*given, lambda: False, seed))
