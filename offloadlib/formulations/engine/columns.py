r"""Column generation, apart from the problem: the restricted master program, and the loop around pricing.

A decomposition has blocks (devices), each of which takes one of its columns (decisions), and limits that all
blocks share:

.. math:: \min \sum_p c_p x_p :\; \sum_{p \in b} x_p = 1 \;\forall b,\quad \sum_p U_p x_p \le q,\quad x \ge 0

The restricted master has the columns that are known so far. Its duals are prices on the limits; pricing at
them, or near them, gives a bound at once, and either new columns or a proof that none is missing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from offloadlib.instances.arrays import Floats, Ints

from .highs import solve_linear

SMOOTHING = 0.5
"""Weight of the best prices so far in the prices that are tried (Wentges 1997)."""

LEAST_SMOOTHING = 0.2
"""Where nothing new is found, the weight is halved while it is not below this, and then 0."""

CONVERGED = 1e-10
"""Relative distance between the linear program and the bound at which generation stops."""

PRECISION = 0.05
"""Pricing is exact up to this share of the distance between the linear program and the bound."""

FEASIBILITY = 1e-9
"""Of the master: at HiGHS's default of 1e-7 no bound gets nearer than some 1e-9."""

UNUSED = 1e-9
"""Columns with less weight are not in use, nor are artificial ones whose weights add up to less."""

ROUND_GAP = 1e-7
"""Of the mixed-integer program over the known columns: better solutions are not worth its time."""

LARGEST_PENALTY = 1e6
"""Artificial columns cost at the most so many times their unit: beyond, a node is left as it is."""

Mask = NDArray[np.bool_]
"""Which of some columns."""


class Relaxed(NamedTuple):
    """An optimum of the restricted master: its value, prices on the limits, what the weights of artificial
    columns add up to, and those of all others."""

    value: float
    prices: Floats
    artificial: float
    weights: Floats


class RestrictedMaster:
    """The linear program over the columns that are known, some of which may be closed.

    An artificial column for each block keeps it feasible, whatever is closed.

    Parameters
    ----------
    name
        For messages.
    blocks
        Their number.
    limits
        (L,) q; more may be added.
    scale
        Costs are multiplied by it inside, so that tolerances are small.
    unit, penalty, dearest
        Artificial columns cost ``penalty`` times the unit at first, and at the most what is ``dearest`` or
        :data:`LARGEST_PENALTY` times the unit.
    constant
        What costs are counted on top of.
    exchanges
        (., blocks + L) columns without cost that are always there.
    """

    def __init__(
        self,
        name: str,
        blocks: int,
        limits: Floats,
        *,
        scale: float,
        unit: float,
        penalty: float = 1.0,
        dearest: float = 0.0,
        constant: float = 0.0,
        exchanges: csr_array | None = None,
    ) -> None:
        self._name, self._blocks, self._constant = name, blocks, constant
        self._scale, self._unit, self._penalty = scale, unit, penalty
        self._dearest = max(dearest, LARGEST_PENALTY * unit)
        self._costs: list[Floats] = []
        self._costless = False
        self._lp = lp = highspy.Highs()
        lp.setOptionValue("output_flag", False)
        lp.setOptionValue("threads", 1)
        for kind in ("primal", "dual"):
            lp.setOptionValue(f"{kind}_feasibility_tolerance", FEASIBILITY)
        rows, ones = blocks + len(limits), np.ones(blocks)
        lower = np.append(ones, np.full(len(limits), -np.inf))
        none, begin = np.empty(0, np.int32), np.zeros(rows, np.int32)
        lp.addRows(rows, lower, np.append(ones, limits), 0, begin, none, np.empty(0))
        self._add(np.full(blocks, penalty * unit), csr_array(eye_array(blocks, rows)))
        if exchanges is not None:
            self._add(np.zeros(exchanges.shape[0]), exchanges)
        self._first = lp.getNumCol()
        self.closed: Mask = np.zeros(0, np.bool_)
        self._solved: Relaxed | None = None

    def _add(self, cost: Floats, matrix: csr_array) -> None:
        size = len(cost)
        self._costs.append(cost)
        counted = np.zeros(size) if self._costless else self._scale * cost
        self._lp.addCols(
            *(size, counted, np.zeros(size), np.full(size, np.inf), matrix.nnz),
            *(matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32), matrix.data),
        )
        self._solved = None

    def add(self, cost: Floats, matrix: csr_array) -> None:
        """Add columns with these costs, and (., rows) what they use: their block, and of each limit."""
        self._add(cost, matrix)
        self.closed = np.append(self.closed, np.zeros(len(cost), np.bool_))

    def limit(self, most: float, use: Floats) -> None:
        """Add a limit, of which the columns use so much."""
        some = np.flatnonzero(use)
        self._lp.addRow(-np.inf, most, len(some), (some + self._first).astype(np.int32), use[some])
        self._solved = None

    def close(self, closed: Mask) -> None:
        """These columns may not be used, and all others may."""
        changed = np.flatnonzero(closed != self.closed)
        if len(changed):
            upper = np.where(closed[changed], 0.0, np.inf)
            index = (changed + self._first).astype(np.int32)
            self._lp.changeColsBounds(len(index), index, np.zeros(len(index)), upper)
            self._solved = None
        self.closed = closed.copy()

    def solve(self) -> Relaxed:
        """An optimum; of several, maybe another one than before.

        Raises
        ------
        SolverError
            If there seems to be none.
        """
        solve_linear(self._lp, self._name)
        found = self._lp.getSolution()
        values = np.array(found.col_value)
        scale, constant = (1.0, 0.0) if self._costless else (self._scale, self._constant)
        self._solved = Relaxed(
            self._lp.getObjectiveValue() / scale + constant,
            np.maximum(-np.array(found.row_dual)[self._blocks :], 0.0) / scale,
            float(values[: self._blocks].sum()),
            values[self._first :],
        )
        return self._solved

    @property
    def relaxed(self) -> Relaxed:
        """The last optimum, if nothing has changed since."""
        return self.solve() if self._solved is None else self._solved

    def harden(self) -> bool:
        """Make artificial columns dearer if they are in use; returns whether that is so.

        What is closed may be contradictory, which only ever higher prices show.
        """
        if self._penalty * self._unit >= self._dearest or self.relaxed.artificial <= UNUSED:
            return False
        self._penalty *= 10.0
        self._costs[0] = np.full(self._blocks, self._penalty * self._unit)
        self._count(self._scale * self._costs[0])
        return True

    def leave_out_costs(self, costless: bool) -> None:
        """Minimise the weights of artificial columns alone, whatever the others cost; or costs again."""
        if costless != self._costless:
            self._costless = costless
            costs = np.concatenate(self._costs)
            others = np.zeros(len(costs) - self._blocks)
            self._count(np.append(np.ones(self._blocks), others) if costless else self._scale * costs)

    def _count(self, costs: Floats) -> None:
        """Change what the first columns cost."""
        self._lp.changeColsCost(len(costs), np.arange(len(costs), dtype=np.int32), costs)
        self._solved = None


class ListedProgram(ABC):
    """The restricted master over a list of columns, of which it has some: the others come by their numbers.

    Attributes
    ----------
    master
        The linear program.
    column
        Of each of its columns, the number in the list.
    """

    def __init__(self, master: RestrictedMaster, cost: Floats) -> None:
        self.master, self._listed_cost = master, cost
        self.column: list[int] = []
        self._known = np.zeros(len(cost), dtype=np.bool_)

    @abstractmethod
    def matrix(self, some: Ints) -> csr_array:
        """(columns, rows) what some of the list use: their block, and of each limit."""

    def add(self, some: Ints) -> bool:
        """Add some of the list; returns whether any is new."""
        new = np.unique(some[~self._known[some]])
        if not len(new):
            return False
        self.master.add(self._listed_cost[new], self.matrix(new))
        self._known[new] = True
        self.column += new.tolist()
        return True

    def restrict(self, mask: Mask) -> None:
        """Only the columns in a mask of the list may be used."""
        self.master.close(~mask[self.column])

    def probe(self, mask: Mask) -> float:
        """The value of the program over the columns in a mask."""
        self.restrict(mask)
        return self.master.solve().value


Prices = TypeVar("Prices")


class Steps(ABC, Generic[Prices]):
    """What column generation asks of a problem."""

    @abstractmethod
    def solve(self) -> tuple[float, Prices]:
        """The value of the restricted master, and its prices."""

    @abstractmethod
    def between(self, weight: float, best: Prices, prices: Prices) -> Prices:
        """Prices between the best ones, which have a weight, and those of the restricted master."""

    @abstractmethod
    def price(self, prices: Prices, tolerance: float) -> tuple[float, bool]:
        """The bound at some prices, and whether a column is new; it need not be exact, up to a tolerance."""

    @abstractmethod
    def loosen(self) -> bool:
        """Loosen what keeps the restricted master from its optimum artificially; whether there is such."""

    def enough(self, value: float, bound: float) -> bool:
        """Whether no better bound is wanted."""
        return False

    def try_harder(self) -> bool:
        """Price with more effort from now on; whether that is possible."""
        return False


def generate(
    steps: Steps[Prices],
    bound: float,
    prices: Prices,
    *,
    cutoff: float = math.inf,
    stop: Callable[[], bool] = lambda: False,
    smoothing: float = SMOOTHING,
    precision: float = PRECISION,
    converged: float = CONVERGED,
) -> tuple[float, Prices]:
    """Generate columns until the bound passes the cutoff or converges, none is missing, or time is up.

    Far from the end, nearly the best columns will do: pricing has a tolerance that shrinks with what the
    bound can still gain, until nothing but exact pricing at the master's own prices can find a column.

    Parameters
    ----------
    steps
        The problem.
    bound, prices
        The best so far.
    cutoff
        A bound from here on needs no more.
    stop
        Asked now and then whether to give up.
    smoothing, precision, converged
        See above; 0 is none, and no ``converged`` of less than 0 is ever reached.

    Returns
    -------
    bound, prices
        The best that were found.
    """
    weight, share = smoothing, precision
    while not stop():
        value, duals = steps.solve()
        if steps.enough(value, bound):
            break
        if value - bound <= converged * abs(value):
            if not steps.loosen():
                break
            continue
        trial = steps.between(weight, prices, duals)
        found, new = steps.price(trial, share * max(value - bound, 0.0))
        if found > bound:
            bound, prices = found, trial
        if bound >= cutoff:
            break
        if new:
            weight, share = smoothing, precision
        elif weight > 0:
            weight = 0.0 if weight < LEAST_SMOOTHING else weight / 2
        elif share > 0:
            share = 0.0
        elif steps.try_harder():
            share = precision
        elif not steps.loosen():
            break
    return bound, prices
