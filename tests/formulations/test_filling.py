"""Filling up limits: the knapsack equals brute force, choices keep all limits."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from counts import count
from format2 import assignment, random_format2

from offloadlib.formulations.structured.limited.branch_and_price import BranchAndPrice
from offloadlib.formulations.structured.limited.columns import valued
from offloadlib.formulations.structured.limited.filling import Cells, Knapsack, combine, filled
from offloadlib.instances import Budget
from offloadlib.instances.compiled import read_only
from offloadlib.instances.structured.form import from_document


@pytest.mark.parametrize("seed", range(30))
def test_the_knapsack_equals_brute_force(seed: int) -> None:
    draw = np.random.default_rng(seed)
    devices, limits = int(draw.integers(1, 6)), int(draw.integers(1, 3))
    start = np.cumsum([0, *draw.integers(1, 4, devices)])
    cost, taken = draw.random(start[-1]), draw.integers(-4, 5, (start[-1], limits)).astype(float)
    left = draw.integers(-6, 7, limits).astype(float)
    worth, excess = draw.random(limits), 100.0 + draw.random(limits)
    low, cells = left - 21.5, np.full(limits, 43)  # wide enough for everything
    knapsack = Knapsack(left, worth, excess, low, np.ones(limits), cells)
    size = int(np.prod(cells))
    table = Cells(
        np.empty((2, size)),
        np.empty((2, size, limits)),
        *(np.empty((devices, size), np.int16) for _ in range(2)),
    )
    chosen = np.full(devices, -2)
    found = combine(Knapsack(*map(read_only, knapsack)), *map(read_only, (start, cost, taken)), table, chosen)

    def value(some: list[int]) -> float:
        rest = left - taken[some].sum(axis=0)
        return float(cost[some].sum() + np.where(rest >= 0, worth * rest, -excess * rest).sum())

    every = product(*([-1, *range(start[d], start[d + 1])] for d in range(devices)))
    least = min(value([y for y in some if y >= 0]) for some in every)
    assert found == pytest.approx(least)
    assert value(chosen[chosen >= 0].tolist()) == pytest.approx(least)
    for d, y in enumerate(chosen.tolist()):
        assert y == -1 or start[d] <= y < start[d + 1]


@pytest.mark.parametrize("seed", range(count(200, 20)))
def test_choices_keep_all_limits(seed: int) -> None:
    """Whatever is found is one known column for each device, and within all limits; it is never dearer than
    the choice to begin with, where that keeps them."""
    document = random_format2(seed, {"resources", "demand", "rejection"}, max_devices=12, max_points=4)
    search = BranchAndPrice(from_document(document), None, Budget(seed=seed))
    charge = search.begin()
    if charge is None or search.solution is None:
        return
    columns, right = search._known.columns, search._known.limits.right
    chosen = columns.of(search._known.limits.table(search.solution))
    prices = np.maximum(charge.prices, 0.01) * np.isfinite(right)
    best = filled(search.lagrangian, columns, prices, chosen, -math.inf, lambda: False, seed)
    if best is None:
        return
    np.testing.assert_array_equal(columns.device[best], np.arange(len(chosen)))
    assert (np.asarray(columns.use[best].sum(axis=0)) <= right + 1e-9).all()
    assert columns.cost[best].sum() <= columns.cost[chosen].sum() + 1e-9


def test_points_are_filled_up() -> None:
    """A unit costs as much less as it is worth at each agent: all columns cost the same, and none is left."""
    draw = np.random.default_rng(1)
    uses = draw.integers(1, 9, (6, 120))
    instance = assignment((100 - 3 * uses).tolist(), uses.tolist(), [110] * 6)
    search = BranchAndPrice(instance, None, Budget())
    search.begin()
    columns, limits = search._known.columns, search._known.limits
    at = np.arange(120) % 6
    everywhere = [valued(limits, limits.solution(np.full((120, 1), n, np.int32))) for n in range(6)]
    for found in everywhere:
        columns.add(found)
    chosen = columns.of(at[:, None].astype(np.int32))
    finite = np.isfinite(limits.right)
    best = filled(search.lagrangian, columns, 3.0 * finite, chosen, -math.inf, lambda: False)
    assert best is not None
    used = np.asarray(columns.use[best].sum(axis=0))
    np.testing.assert_array_equal(used[finite], limits.right[finite])
