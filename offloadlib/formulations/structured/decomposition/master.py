r"""The restricted master problem: the linear program over the decisions generated so far.

With a column p for each known decision of a device (cost C_p, subtasks u_pn at offload point n, and
v_pn = 1 where it uses the radio of n):

.. math::

   \min \sum_p C_p x_p :\; \sum_{p \in m} x_p = 1 \;\forall m,\quad
   \sum_p u_{pn} x_p \le q^1_n,\quad \sum_p v_{pn} x_p \le q^2_n,\quad x \ge 0

(Dantzig-Wolfe reformulation of (4), (5).) Its duals are prices; pricing at them either finds columns of
negative reduced cost or proves that none is missing. The Lagrangian value at any prices is a bound at
once, so the loop may stop at any time.

**Exchanges.** Cost depends on an offload point through its speed alone (:mod:`.structured.pooling`), and
does not grow with it. So a column y >= 0 without cost may move a subtask from a point to the next faster
one: -1 in the slower one's row, +1 in the faster one's. Whole numbers of columns and exchanges that keep
all rows make a solution (:func:`.structured.pooling.settle`), so that nothing is lost. In the dual, they
say that a faster point is not cheaper, which holds at some optimal prices (dual-optimal inequalities,
Valerio de Carvalho 2005): prices settle sooner, and fewer columns are needed to fill all places.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from offloadlib.instances import LOCAL, UNLIMITED, Instance, Solution, evaluate
from offloadlib.instances.arrays import Floats

from ...engine.highs import solve_linear
from ...engine.units import unit_for
from ..certificate import rounded
from ..scaling import scaled
from .pricing import NEVER, Priced, Prices, Restrictions, difference, price
from .search import LARGEST_SEARCH

SMOOTHING = 0.5
"""Weight of the best prices so far in the prices that are tried (Wentges 1997)."""

CONVERGED = 1e-10
"""Relative distance between the linear program and the bound at which generation stops."""

PRECISION = 0.05
"""Pricing is exact up to this share of the distance between the linear program and the bound."""

GROWTH = 10
"""Times as much effort, when less finds nothing more."""

LARGEST_PENALTY = 1e6
"""Artificial columns cost at the most so many times all-local: beyond, a node is left as it is."""


MOST_TIMES_UPPER = 16.0
"""A first penalty is at the most so many times an incumbent's cost: the program's tolerances are relative to
that, and where all-local costs more by orders of magnitude nothing would be left of them."""


@dataclass(frozen=True)
class Column:
    """A decision of one device."""

    device: int
    places: tuple[int, ...]
    cost: float


Step = tuple[int, int, frozenset[int], bool]
"""A branch taken: device, subtask, places, whether it is at one of them."""


@dataclass(frozen=True)
class Node:
    """What column generation leaves: the bound, its prices, and the weights of the columns in use."""

    bound: float
    prices: Prices
    weights: dict[int, float] = field(default_factory=dict)


def exchanges(instance: Instance) -> list[tuple[int, int]]:
    """Offload points (from, to) such that no subtask costs more at the second one: the next faster one,
    and where two are equally fast, either."""
    points = instance.points
    order = [n for n in np.argsort(-points.cpu, kind="stable").tolist() if points.capacity[n] > 0]
    pairs = [(slow, fast) for fast, slow in itertools.pairwise(order)]
    return pairs + [(fast, slow) for slow, fast in pairs if points.cpu[slow] == points.cpu[fast]]


def penalty_unit(upper: float, local: float) -> float:
    """What artificial columns cost: as much as all-local, but not out of scale with an incumbent."""
    return max(min(max(upper, local), MOST_TIMES_UPPER * upper), 1e-300)


class Master:
    """Columns of an instance, and their linear program under changing restrictions.

    Attributes
    ----------
    instance, columns
        The instance, and the decisions of its devices that are known.
    limited
        Offload points with limited channels.
    constant
        Cost of the devices that are connected to none.
    fixed
        Columns that :meth:`fix` has closed.
    stopped
        From :func:`.pricing.alarm`: as soon as it is true, pricing ends with the bounds that it has.
    effort
        For a device's decision, as for :func:`.pricing.price`: where pricing is slow it begins low, and
        grows when it finds nothing more. None: as much as it takes.
    threads
        Threads that price.
    """

    def __init__(
        self, instance: Instance, upper: float, stopped: NDArray[np.bool_] = NEVER, threads: int = 1
    ) -> None:
        self.instance = instance
        self.stopped, self.threads = stopped, threads
        self.effort: int | None = None
        self.columns: list[Column] = []
        self._known: dict[tuple[int, tuple[int, ...]], int] = {}
        self._of: dict[int, list[int]] = {}
        linked = instance.devices.connected_to != LOCAL
        self._devices = np.flatnonzero(linked)
        self._row = {m: i for i, m in enumerate(self._devices.tolist())}
        self.limited = np.flatnonzero(instance.points.channels != UNLIMITED)
        channel_row = {
            n: len(self._devices) + instance.num_points + i for i, n in enumerate(self.limited.tolist())
        }
        self._channel = [channel_row.get(n) for n in instance.devices.connected_to.tolist()]
        local = instance.local_cost
        self.constant = float(local[~linked].sum())
        self._scale = unit_for(upper)
        self._unit = self._scale * penalty_unit(upper, float(local.sum()))
        self._penalty = 1.0
        self._swaps = exchanges(instance)
        self._first = len(self._devices) + len(self._swaps)
        self.fixed: set[int] = set()
        self._closed: set[int] = set()
        self._lp = self._empty_lp(self._unit)

    def _empty_lp(self, penalty: float) -> Any:
        """One artificial column per device keeps the program feasible under any branches."""
        lp = highspy.Highs()
        lp.setOptionValue("output_flag", False)
        lp.setOptionValue("threads", 1)
        for kind in ("primal", "dual"):  # at the default of 1e-7 no bound gets nearer than some 1e-9
            lp.setOptionValue(f"{kind}_feasibility_tolerance", 1e-9)
        none = np.empty(0)
        points, channels = self.instance.points.capacity, self.instance.points.channels[self.limited]
        lower = [1.0] * len(self._devices) + [-highspy.kHighsInf] * (len(points) + len(channels))
        upper = [1.0] * len(self._devices) + points.tolist() + channels.tolist()
        for low, high in zip(lower, upper, strict=True):
            lp.addRow(low, float(high), 0, none, none)
        for i in range(len(self._devices)):
            lp.addCol(penalty, 0.0, highspy.kHighsInf, 1, np.array([i], np.int32), np.ones(1))
        for slow, fast in self._swaps:
            rows = np.array([slow, fast], np.int32) + len(self._devices)
            lp.addCol(0.0, 0.0, highspy.kHighsInf, 2, rows, np.array([-1.0, 1.0]))
        return lp

    def add(self, solution: Solution) -> int:
        """Add every connected device's decision as a column; returns how many were new."""
        rows, cost = solution.rows(self.instance), evaluate(self.instance, solution).cost.tolist()
        known = [self._known.get((m, tuple(rows[m]))) for m in self._devices.tolist()]
        again = {i for i in known if i is not None} & self.fixed
        self.fixed -= again  # what pricing asks for cannot stay closed
        self._close(self._closed - again)
        new = [
            Column(m, places, cost[m])
            for m in self._devices.tolist()
            if (m, places := tuple(rows[m])) not in self._known
        ]
        for i, column in enumerate(new, start=len(self.columns)):
            self._known[column.device, column.places] = i
            self._of.setdefault(column.device, []).append(i)
        self.columns += new
        if new:
            matrix = self.matrix(new)
            size, free = len(new), np.full(len(new), highspy.kHighsInf)
            self._lp.addCols(
                size,
                self._scale * np.array([column.cost for column in new]),
                np.zeros(size),
                free,
                matrix.nnz,
                matrix.indptr[:-1].astype(np.int32),
                matrix.indices.astype(np.int32),
                matrix.data,
            )
        return len(new) + len(again)

    def matrix(self, columns: Sequence[Column]) -> csr_array:
        """(columns, rows) what columns use: their device, subtasks at each offload point, a channel."""
        index: list[int] = []
        value: list[float] = []
        start = [0]
        first = len(self._devices)
        for column in columns:
            used = Counter(column.places)
            used.pop(LOCAL, None)
            index.append(self._row[column.device])
            index += [first + n for n in used]
            value.append(1.0)
            value += used.values()
            radio = self._channel[column.device]
            if used and radio is not None:
                index.append(radio)
                value.append(1.0)
            start.append(len(index))
        rows = first + self.instance.num_points + len(self.limited)
        return csr_array((np.array(value), np.array(index), np.array(start)), shape=(len(columns), rows))

    def exchanging(self) -> csr_array:
        """(exchanges, rows) what exchanges take from limits, and give to others."""
        rows = len(self._devices) + self.instance.num_points + len(self.limited)
        matrix = np.zeros((len(self._swaps), rows))
        for i, (slow, fast) in enumerate(self._swaps):
            matrix[i, len(self._devices) + slow], matrix[i, len(self._devices) + fast] = -1.0, 1.0
        return csr_array(matrix)

    def fix(self, prices: Prices, bound: float, least: Floats, cutoff: float) -> None:
        """Close the columns whose reduced cost at some prices says that they are in no better solution."""
        row = np.append(prices.capacity, prices.channels[self.limited])
        use = self.matrix(self.columns)[:, len(self._devices) :]
        device = np.array([column.device for column in self.columns])
        cost = np.array([column.cost for column in self.columns])
        slack = cost + use @ row - least[device]
        self.fixed = set(np.flatnonzero(slack > cutoff - bound).tolist())

    def restrict(self, path: Iterable[Step], fixed: bool = True) -> None:
        """Close the columns that branches forbid, and those of :meth:`fix` if wanted; open all others."""
        closed = set(self.fixed) if fixed else set()
        for step in path:
            closed.update(self._against(step))
        self._close(closed)

    def _against(self, step: Step) -> Iterator[int]:
        """The columns that a branch forbids."""
        m, k, places, inside = step
        return (i for i in self._of[m] if (self.columns[i].places[k] in places) != inside)

    def _close(self, closed: set[int]) -> None:
        changed = sorted(closed ^ self._closed)
        if changed:
            upper = np.array([0.0 if i in closed else highspy.kHighsInf for i in changed])
            index = np.array(changed, dtype=np.int32) + np.int32(self._first)
            self._lp.changeColsBounds(len(index), index, np.zeros(len(index)), upper)
        self._closed = closed

    def probe(self, step: Step) -> float:
        """The least cost over the known columns if one more branch were taken."""
        before = self._closed
        self._close(before | set(self._against(step)))
        value = self._solve()[0]
        self._close(before)
        return value

    def _solve(self) -> tuple[float, Prices, Floats]:
        solve_linear(self._lp, "the master")
        solution = self._lp.getSolution()
        duals = np.maximum(-np.array(solution.row_dual)[len(self._devices) :], 0.0) / self._scale
        points = self.instance.num_points
        channels = np.zeros(points)
        channels[self.limited] = duals[points:]
        values = np.array(solution.col_value)
        value = self._lp.getObjectiveValue() / self._scale + self.constant
        return value, Prices(duals[:points], channels), values

    def lagrangian(
        self, prices: Prices, restrictions: Restrictions | None, tolerance: float = 0.0
    ) -> tuple[float, Priced]:
        """The Lagrangian bound at some prices, and the decisions that attain it, up to a tolerance."""
        each = tolerance / self.instance.num_devices
        found = price(
            *(self.instance, prices, restrictions, self.effort),
            tolerance=each,
            stopped=self.stopped,
            threads=self.threads,
        )
        limits = self.instance.points
        channels = np.where(limits.channels == UNLIMITED, 0, limits.channels)
        paid = float(prices.capacity @ limits.capacity) + float(prices.channels @ channels)
        return difference(float(np.sum(found.value)), paid), found

    def generate(
        self,
        restrictions: Restrictions | None,
        start: Prices,
        cutoff: float,
        stop: Callable[[], bool],
        patience: float = 0.0,
        floor: float = -np.inf,
    ) -> Node:
        """Column generation until the bound passes the cutoff, converges, or time is up.

        Far from the end, nearly the cheapest decisions will do: pricing has a tolerance that shrinks with
        what the bound can still gain, until nothing but exact pricing can find a column.

        Parameters
        ----------
        restrictions
            The branches above the node; the columns must have been restricted to them.
        start
            Prices to begin with: the parent's.
        cutoff
            A bound above this needs no more.
        stop
            Asked now and then whether to give up.
        patience
            A node whose linear program stays below the cutoff has to be divided: then it is left as soon as
            this share of the distance between bound and cutoff is all that it could gain.
        floor
            A bound that the node has at the prices to begin with: its parent's, if any.
        """
        tolerance = PRECISION * patience * max(cutoff - floor, 0.0) if floor > -np.inf else 0.0
        best, found = self.lagrangian(start, restrictions, tolerance)
        best = max(best, floor)  # pricing may have been cut short
        prices, precision = start, PRECISION
        if np.isinf(best):
            return Node(best, prices)
        self.add(found.solution)
        weight = SMOOTHING
        while True:
            objective, duals, values = self._solve()
            if best >= cutoff or stop():
                return Node(best, prices, self._weights(values))
            near = objective - best <= patience * (cutoff - best)
            if near and objective < cutoff and self._divisible(values):
                return Node(best, prices, self._weights(values))
            if objective - best <= CONVERGED * abs(objective) and not self._raise_penalty(values):
                return Node(best, prices, self._weights(values))
            trial = rounded(
                Prices(
                    weight * prices.capacity + (1 - weight) * duals.capacity,
                    weight * prices.channels + (1 - weight) * duals.channels,
                )
            )
            bound, found = self.lagrangian(trial, restrictions, precision * max(objective - best, 0.0))
            new = self.add(found.solution)
            if bound > best:
                best, prices = bound, trial
            if new > 0:
                weight, precision = SMOOTHING, PRECISION
            elif weight > 0:
                weight = 0.0 if weight < 0.2 else weight / 2
            elif precision > 0:
                precision = 0.0
            elif self.effort is not None:
                higher = GROWTH * self.effort
                self.effort, precision = (higher if higher < LARGEST_SEARCH else None), PRECISION
            elif not self._raise_penalty(values):
                return Node(best, prices, self._weights(values))

    def _divisible(self, values: Floats) -> bool:
        """Whether columns are split, and no device needs its artificial one."""
        columns = values[self._first :]
        split = bool(np.any((columns > 1e-6) & (columns < 1 - 1e-6)))
        return split and float(values[: len(self._devices)].sum()) <= 1e-9

    def _raise_penalty(self, values: Floats) -> bool:
        """Make artificial columns dearer where the program still needs them: its branches may be
        contradictory, which only ever higher prices show."""
        size = len(self._devices)
        if self._penalty >= LARGEST_PENALTY or values[:size].sum() <= 1e-9:
            return False
        self._penalty *= 10.0
        costs = np.full(size, self._penalty * self._unit)
        self._lp.changeColsCost(size, np.arange(size, dtype=np.int32), costs)
        return True

    def _weights(self, values: Floats) -> dict[int, float]:
        columns = values[self._first :]
        return {int(i): float(columns[i]) for i in np.flatnonzero(columns > 1e-9)}


def best_prices(
    instance: Instance,
    start: Solution,
    stop: Callable[[], bool],
    stopped: NDArray[np.bool_] = NEVER,
    begin: Prices | None = None,
) -> tuple[float, Prices]:
    """The best Lagrangian bound that column generation finds before it is stopped, and its prices.

    Parameters
    ----------
    instance
        The instance.
    start
        A feasible solution, which sets the scale.
    stop
        Asked now and then whether to make do with what there is.
    stopped
        As for :func:`.pricing.price`.
    begin
        Prices to begin with; none by default.
    """
    begin = begin or Prices.zero(instance)
    objective = evaluate(instance, start).total
    unit = unit_for(objective)
    instance = scaled(instance, unit)
    master = Master(instance, objective * unit, stopped)
    master.add(start)
    master.add(Solution.all_local(instance))
    first = Prices(begin.capacity * unit, begin.channels * unit)
    node = master.generate(None, first, np.inf, stop)
    return node.bound / unit, Prices(node.prices.capacity / unit, node.prices.channels / unit)
