"""Variants: decisions that differ in one subtask, all of them, and only such as a device may take."""

from __future__ import annotations

import math

import numpy as np
import pytest
from counts import count
from format2 import random_format2

from offloadlib.formulations.structured.certificate import Charge
from offloadlib.formulations.structured.limited.branch_and_price import BranchAndPrice
from offloadlib.formulations.structured.limited.columns import Columns
from offloadlib.formulations.structured.limited.filling import filled
from offloadlib.formulations.structured.limited.variants import add_variants
from offloadlib.instances import LOCAL, Budget, evaluate
from offloadlib.instances.structured.form import from_document
from offloadlib.instances.structured.model import REFUSED, Places

DEVICES_OWN = {"deadline", "energy budget", "allowed places", "refusal"}
"""What a device breaks by itself; other limits are shared."""

FEATURES = {"resources", "demand", "deadline", "energy_budget", "rejection", "allowed"}


def begun(seed: int, **sizes: int) -> tuple[BranchAndPrice, Charge, Columns, Places]:
    """A search that has a solution, its first prices, its columns with all variants, and the solution."""
    search = BranchAndPrice(from_document(random_format2(seed, FEATURES, **sizes)), None, Budget(seed=seed))
    charge = search.begin()
    if charge is None or search.solution is None:
        pytest.skip("no solution to begin with")
    columns, table = search._known.columns.copy(), search._known.limits.table(search.solution)
    known = len(columns)
    add_variants(columns, table, charge.prices, math.inf, lambda: False)
    assert len(search._known.columns) == known
    return search, charge, columns, table


@pytest.mark.parametrize("seed", range(count(150, 20)))
def test_variants_are_all_decisions_that_differ_in_one_subtask(seed: int) -> None:
    search, _, columns, table = begun(seed, max_devices=4, max_points=3)
    instance, limits, known = search.instance, search._known.limits, len(search._known.columns)
    # Each column is what its decision costs, and one that its device may take alone.
    for row in range(known, len(columns)):
        m, decision = int(columns.device[row]), columns.table[row]
        assert (decision != table[m]).sum() == 1
        changed = table.copy()
        changed[m] = decision
        found = evaluate(instance, limits.solution(changed))
        assert columns.cost[row] == pytest.approx(float(found.cost[m] * instance.devices.weight[m]))
        own = {each.limit for each in found.violations if each.name == instance.devices.ids[m]}
        assert not own & DEVICES_OWN
    # None is missing, but for such as take all of a deadline or a budget.
    budgets = instance.devices.energy_budget
    there = {(int(m), decision.tobytes()) for m, decision in zip(columns.device, columns.table, strict=True)}
    for m in range(instance.num_devices):
        size = instance.applications[int(instance.devices.application[m])].size
        for k in range(size if table[m, 0] != REFUSED else 0):
            for place in range(LOCAL, instance.num_points):
                changed = table.copy()
                changed[m, k] = place
                found = evaluate(instance, limits.solution(changed))
                near = (found.delay[m], instance.devices.deadline[m]), (found.energy[m], budgets[m])
                if found.feasible and all(value < most * (1 - 1e-9) for value, most in near):
                    assert (m, changed[m].tobytes()) in there


@pytest.mark.parametrize("seed", range(count(60, 10)))
def test_filling_up_with_variants_keeps_all_limits(seed: int) -> None:
    """Whatever the amounts; it is never dearer than the choice to begin with."""
    search, charge, columns, table = begun(seed, max_devices=12, max_points=4)
    limits = search._known.limits
    chosen, prices = columns.of(table), np.maximum(charge.prices, 0.01) * np.isfinite(limits.right)
    best = filled(search.lagrangian, columns, prices, chosen, -math.inf, lambda: False, seed, varied=True)
    if best is None:  # the choice to begin with uses a limit up to a hair
        return
    np.testing.assert_array_equal(columns.device[best], np.arange(len(chosen)))
    assert (np.asarray(columns.use[best].sum(axis=0)) <= limits.right + 1e-9).all()
    assert columns.cost[best].sum() <= columns.cost[chosen].sum() + 1e-9
