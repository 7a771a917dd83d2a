r"""The restricted master problem: the linear program over the decisions generated so far.

With a column p for each known decision of a device (cost C_p, subtasks u_pn at offload point n, and
v_pn = 1 where it uses the radio of n):

.. math::

   \min \sum_p C_p x_p :\; \sum_{p \in m} x_p = 1 \;\forall m,\quad
   \sum_p u_{pn} x_p \le q^1_n,\quad \sum_p v_{pn} x_p \le q^2_n,\quad x \ge 0

(Dantzig-Wolfe reformulation of (4), (5).) Its duals are prices; pricing at them either finds columns of
negative reduced cost or proves that none is missing. The Lagrangian value at any prices is a bound at
once, so the loop may stop at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np

from instances import LOCAL, UNLIMITED, Instance, Solution, evaluate
from instances.model import Floats, Ints

from ..certificate import rounded
from ..scaling import scaled, unit_for
from .pricing import Priced, Prices, Restrictions, price

SMOOTHING = 0.5
"""Weight of the best prices so far in the prices that are tried (Wentges 1997)."""

CONVERGED = 1e-10
"""Relative distance between the linear program and the bound at which generation stops."""

LARGEST_PENALTY = 1e6
"""Artificial columns cost at the most so many times all-local: beyond, a node is left as it is."""


@dataclass(frozen=True)
class Column:
    """A decision of one device."""

    device: int
    places: tuple[int, ...]
    cost: float


@dataclass(frozen=True)
class Node:
    """What column generation leaves: the bound, its prices, and the weights of the columns in use."""

    bound: float
    prices: Prices
    weights: dict[int, float] = field(default_factory=dict)


class Master:
    """Columns of an instance, and their linear program under changing restrictions."""

    def __init__(self, instance: Instance, upper: float) -> None:
        self.instance = instance
        self.columns: list[Column] = []
        self._known: dict[tuple[int, tuple[int, ...]], int] = {}
        linked = instance.devices.connected_to != LOCAL
        self._devices = np.flatnonzero(linked)
        self._row = {m: i for i, m in enumerate(self._devices.tolist())}
        self._limited = np.flatnonzero(instance.points.channels != UNLIMITED)
        local = evaluate(instance, Solution.all_local(instance)).cost
        self.constant = float(local[~linked].sum())
        self._local = local
        self._unit = max(upper, float(local.sum()))
        self._penalty = 1.0
        self._lp = self._empty_lp(self._unit)

    def _empty_lp(self, penalty: float) -> Any:
        """One artificial column per device keeps the program feasible under any branches."""
        lp = highspy.Highs()
        lp.setOptionValue("output_flag", False)
        lp.setOptionValue("threads", 1)
        none = np.empty(0)
        points, channels = self.instance.points.capacity, self.instance.points.channels[self._limited]
        lower = [1.0] * len(self._devices) + [-highspy.kHighsInf] * (len(points) + len(channels))
        upper = [1.0] * len(self._devices) + points.tolist() + channels.tolist()
        for low, high in zip(lower, upper, strict=True):
            lp.addRow(low, float(high), 0, none, none)
        for i in range(len(self._devices)):
            lp.addCol(penalty, 0.0, highspy.kHighsInf, 1, np.array([i], np.int32), np.ones(1))
        return lp

    def add(self, solution: Solution, evaluation_cost: Floats | None = None) -> int:
        """Add every connected device's decision as a column; returns how many were new."""
        costs = evaluate(self.instance, solution).cost if evaluation_cost is None else evaluation_cost
        rows = solution.rows(self.instance)
        return sum(self._add(m, tuple(rows[m]), float(costs[m])) for m in self._devices.tolist())

    def _add(self, m: int, places: tuple[int, ...], cost: float) -> bool:
        if (m, places) in self._known:
            return False
        self._known[m, places] = len(self.columns)
        self.columns.append(Column(m, places, cost))
        index, value = self._entries(m, places)
        self._lp.addCol(cost, 0.0, highspy.kHighsInf, len(index), index, value)
        return True

    def _entries(self, m: int, places: tuple[int, ...]) -> tuple[Ints, Floats]:
        used = [n for n in places if n != LOCAL]
        points, counts = np.unique(np.array(used, dtype=np.int64), return_counts=True)
        index = [self._row[m], *(len(self._devices) + points).tolist()]
        value = [1.0, *counts.tolist()]
        at = np.flatnonzero(self._limited == self.instance.devices.connected_to[m])
        if used and len(at):
            index.append(len(self._devices) + self.instance.num_points + int(at[0]))
            value.append(1.0)
        return np.array(index, dtype=np.int32), np.array(value)

    def restrict(self, restrictions: Restrictions, touched: set[int]) -> None:
        """Close the columns of touched devices that their branches forbid, open all others."""
        first = len(self._devices)
        upper = np.full(len(self.columns), highspy.kHighsInf)
        for i, column in enumerate(self.columns):
            if column.device in touched and not restrictions.keeps(
                column.device, np.array(column.places, dtype=np.int32)
            ):
                upper[i] = 0.0
        index = np.arange(first, first + len(self.columns), dtype=np.int32)
        self._lp.changeColsBounds(len(index), index, np.zeros(len(index)), upper)

    def _solve(self) -> tuple[float, Prices, Floats]:
        self._lp.run()
        status = self._lp.getModelStatus()
        if status not in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kModelEmpty):
            raise RuntimeError(f"the master ended with status {status.name}")
        solution = self._lp.getSolution()
        duals = np.maximum(-np.array(solution.row_dual)[len(self._devices) :], 0.0)
        points = self.instance.num_points
        channels = np.zeros(points)
        channels[self._limited] = duals[points:]
        values = np.array(solution.col_value)
        return self._lp.getObjectiveValue() + self.constant, Prices(duals[:points], channels), values

    def value(self) -> float:
        """The least cost over the known columns, as they are restricted."""
        return self._solve()[0]

    def lagrangian(self, prices: Prices, restrictions: Restrictions | None) -> tuple[float, Priced]:
        """The Lagrangian bound at some prices, and the decisions that attain it."""
        found = price(self.instance, prices, restrictions)
        limits = self.instance.points
        channels = np.where(limits.channels == UNLIMITED, 0, limits.channels)
        paid = float(prices.capacity @ limits.capacity) + float(prices.channels @ channels)
        return float(np.sum(found.value)) - paid, found

    def generate(
        self, restrictions: Restrictions | None, start: Prices, cutoff: float, deadline: Any
    ) -> Node:
        """Column generation until the bound passes the cutoff, converges, or time is up.

        Parameters
        ----------
        restrictions
            The branches above the node; the columns must have been restricted to them.
        start
            Prices to begin with: the parent's.
        cutoff
            A bound above this needs no more.
        deadline
            Callable that says whether to stop.
        """
        best, found = self.lagrangian(start, restrictions)
        prices = start
        if np.isinf(best):
            return Node(best, prices)
        self.add(found.solution)
        weight = SMOOTHING
        while True:
            objective, duals, values = self._solve()
            if best >= cutoff or deadline():
                return Node(best, prices, self._weights(values))
            if objective - best <= CONVERGED * abs(objective) and not self._raise_penalty(values):
                return Node(best, prices, self._weights(values))
            trial = rounded(
                Prices(
                    weight * prices.capacity + (1 - weight) * duals.capacity,
                    weight * prices.channels + (1 - weight) * duals.channels,
                )
            )
            bound, found = self.lagrangian(trial, restrictions)
            new = self.add(found.solution)
            if bound > best:
                best, prices = bound, trial
            if new == 0:
                if weight == 0 and not self._raise_penalty(values):
                    return Node(best, prices, self._weights(values))
                weight = 0.0 if weight < 0.2 else weight / 2
            else:
                weight = SMOOTHING

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
        columns = values[len(self._devices) :]
        return {int(i): float(columns[i]) for i in np.flatnonzero(columns > 1e-9)}


def best_prices(instance: Instance, start: Solution, stop: Callable[[], bool]) -> tuple[float, Prices]:
    """The best Lagrangian bound that column generation finds before it is stopped, and its prices.

    Parameters
    ----------
    instance
        The instance.
    start
        A feasible solution, which sets the scale.
    stop
        Asked now and then whether to make do with what there is.

    Raises
    ------
    TooManyLabels
        If a task has more Pareto labels than the limit allows.
    """
    objective = evaluate(instance, start).total
    unit = unit_for(objective)
    instance = scaled(instance, unit)
    master = Master(instance, objective * unit)
    master.add(start)
    master.add(Solution.all_local(instance))
    node = master.generate(None, Prices.zero(instance), np.inf, stop)
    return node.bound / unit, Prices(node.prices.capacity / unit, node.prices.channels / unit)
