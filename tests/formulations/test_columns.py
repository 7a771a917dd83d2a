"""Column generation on generalised assignment: its bound against the whole program, and enumeration."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array

from offloadlib.formulations.engine.columns import RestrictedMaster, Steps, generate
from offloadlib.instances.arrays import Floats


@dataclass
class Blocks(Steps[Floats]):
    """Blocks with a list of columns each; the first (cost, use) of a block is known from the start."""

    columns: list[list[tuple[float, Floats]]]
    limits: Floats
    master: RestrictedMaster = field(init=False)
    known: list[tuple[int, int]] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    tolerances: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.master = RestrictedMaster("it", len(self.columns), self.limits, scale=8.0, unit=100.0)
        for block in range(len(self.columns)):
            self.add(block, 0)

    def add(self, block: int, number: int) -> bool:
        if (block, number) in self.known:
            return False
        cost, use = self.columns[block][number]
        row = np.append(np.arange(len(self.columns)) == block, use)
        self.master.add(np.array([cost]), csr_array(row[None, :].astype(np.float64)))
        self.known.append((block, number))
        return True

    def solve(self) -> tuple[float, Floats]:
        found = self.master.solve()
        return found.value, found.prices

    def between(self, weight: float, best: Floats, prices: Floats) -> Floats:
        return weight * best + (1 - weight) * prices

    def price(self, prices: Floats, tolerance: float) -> tuple[float, bool]:
        values = [[cost + prices @ use for cost, use in block] for block in self.columns]
        self.tolerances.append(tolerance)
        self.bounds.append(float(sum(map(min, values)) - prices @ self.limits))
        new = [self.add(block, int(np.argmin(value))) for block, value in enumerate(values)]
        return self.bounds[-1], any(new)

    def loosen(self) -> bool:
        return self.master.harden()

    @property
    def relaxation(self) -> float:
        """Of the program over all columns."""
        flat = [(block, *column) for block, some in enumerate(self.columns) for column in some]
        found = linprog(
            [cost for _, cost, _ in flat],
            A_ub=np.array([use for _, _, use in flat]).T,
            b_ub=self.limits,
            A_eq=[[float(b == block) for b, _, _ in flat] for block in range(len(self.columns))],
            b_eq=np.ones(len(self.columns)),
        )
        return math.inf if found.fun is None or not found.success else float(found.fun)

    @property
    def optimum(self) -> float:
        kept = [
            sum(cost for cost, _ in choice)
            for choice in itertools.product(*self.columns)
            if (sum(use for _, use in choice) <= self.limits).all()
        ]
        return min(kept, default=math.inf)


@st.composite
def blocks(draw: st.DrawFn, void: bool = True) -> Blocks:
    """``void``: the first column of each block uses nothing, so that there is a solution."""
    size, limits = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    number = st.integers(0, 9)
    columns = []
    for _ in range(size):
        uses = draw(st.lists(st.lists(number, min_size=limits, max_size=limits), min_size=1, max_size=4))
        some = [(float(draw(number)), np.array(use, np.float64)) for use in uses]
        columns.append([(50.0, np.zeros(limits)), *some] if void else some)
    return Blocks(columns, np.array(draw(st.lists(number, min_size=limits, max_size=limits)), np.float64))


@given(problem=blocks(), smoothing=st.sampled_from([0.0, 0.5, 0.9]), precision=st.sampled_from([0.0, 0.05]))
def test_generation_reaches_the_relaxation(problem: Blocks, smoothing: float, precision: float) -> None:
    none = np.zeros(len(problem.limits))
    bound, prices = generate(problem, -math.inf, none, smoothing=smoothing, precision=precision)
    assert bound == pytest.approx(problem.relaxation, rel=1e-8, abs=1e-8)
    assert (prices >= 0).all()
    assert all(each <= problem.relaxation + 1e-8 for each in problem.bounds)
    assert bound <= problem.optimum + 1e-8
    assert bound == max(problem.bounds)
    assert problem.master.solve().value == pytest.approx(bound, rel=1e-8, abs=1e-8)


@given(problem=blocks(void=False))
def test_what_has_no_solution_has_ever_higher_bounds(problem: Blocks) -> None:
    """Artificial columns become dearer until they are in use no more, or as dear as they get."""
    bound, _ = generate(problem, -math.inf, np.zeros(len(problem.limits)))
    if math.isinf(problem.relaxation):
        assert bound > 1e6
        assert not problem.master.harden()
    else:
        assert bound == pytest.approx(problem.relaxation, rel=1e-8, abs=1e-8)


@given(problem=blocks(), cutoff=st.floats(-5, 60), most=st.integers(0, 5))
def test_generation_stops_early(problem: Blocks, cutoff: float, most: int) -> None:
    none = np.zeros(len(problem.limits))
    bound, _ = generate(problem, -math.inf, none, cutoff=cutoff, stop=lambda: len(problem.bounds) >= most)
    assert len(problem.bounds) <= most
    assert bound == max(problem.bounds, default=-math.inf)
    assert all(each < cutoff for each in problem.bounds[:-1])
    assert all(tolerance >= 0 for tolerance in problem.tolerances)


def test_columns_are_closed_and_opened() -> None:
    nothing, some = np.zeros(1), np.ones(1)
    problem = Blocks([[(5.0, nothing), (1.0, some)], [(7.0, nothing), (2.0, some)]], np.array([1.0]))
    problem.add(0, 1)
    problem.add(1, 1)
    assert problem.known == [(0, 0), (1, 0), (0, 1), (1, 1)]
    master = problem.master
    found = master.solve()
    assert found.value == pytest.approx(7.0)
    assert found.weights == pytest.approx([1, 0, 0, 1])
    assert found.prices[0] >= 4.0
    master.close(np.array([False, False, False, True]))
    assert master.solve().value == pytest.approx(8.0)
    master.close(np.array([False, True, False, True]))
    assert master.solve().artificial == pytest.approx(1.0)
    assert master.harden()
    assert master.solve().value == pytest.approx(1000.0 + 1.0)
    master.close(np.zeros(4, np.bool_))
    assert master.relaxed.value == pytest.approx(7.0)
    master.limit(0.0, np.array([0.0, 0.0, 1.0, 1.0]))
    assert master.relaxed.value == pytest.approx(12.0)
    assert not master.harden()
