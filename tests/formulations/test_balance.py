"""Smoothed prices: searches that are cut short go on where they keep the bound back, and where that helps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from counts import count
from format2 import random_format2

from offloadlib.formulations.structured.certificate import Charge
from offloadlib.formulations.structured.limited.balance import Balance
from offloadlib.formulations.structured.limited.columns import Columns
from offloadlib.formulations.structured.limited.lagrangian import Bounded, Lagrangian
from offloadlib.formulations.structured.limited.pricing import Branches
from offloadlib.instances.structured.form import from_document
from offloadlib.instances.structured.limits import Limits


class CutShort(Lagrangian):
    """Each tenfold effort leaves so much of what searches that are cut short cost the bound."""

    def __init__(self, limits: Limits, left: float) -> None:
        super().__init__(limits, effort=1)
        self.left, self.asked = left, 0

    def evaluate(
        self,
        charge: Charge,
        branches: Branches | None = None,
        tolerance: float = 0.0,
        costless: bool = False,
    ) -> Bounded:
        self.asked += 1
        effort, self.effort = self.effort, 10**6
        found = super().evaluate(charge, branches, tolerance, costless)
        self.effort, short = effort, 0.1 * abs(found.bound)
        while effort > 1:
            effort, short = effort // 10, short * self.left
        return replace(found, bound=found.bound - short, short=short)


def balanced(seed: int, left: float) -> tuple[Balance, CutShort, float]:
    """Prices of an instance of which searches are cut short, and the bound that full ones have there."""
    limits = Limits(from_document(random_format2(seed, {"resources", "demand"}, max_devices=8)))
    lagrangian, columns = CutShort(limits, left), Columns(limits)

    def told(found: Bounded, charge: Charge) -> None:
        columns.add(found.found, found.some)

    balance = Balance(lagrangian, columns, told, 1e-6, seed, lambda: lagrangian.asked > 200)
    if not balance.begin(lagrangian.free()):
        pytest.skip("nothing is limited")
    return balance, lagrangian, Lagrangian(limits).evaluate(balance.prices()).bound


@pytest.mark.parametrize("seed", range(count(40, 8)))
def test_more_effort_where_it_helps(seed: int) -> None:
    balance, lagrangian, best = balanced(seed, 0.01)
    assert lagrangian.effort > 1
    assert balance._bound == pytest.approx(best, rel=2e-3)


@pytest.mark.parametrize("seed", range(count(40, 8)))
def test_no_more_effort_where_it_does_not_help(seed: int) -> None:
    balance, lagrangian, best = balanced(seed, 0.9)
    assert lagrangian.effort == 1
    assert balance._bound <= best
