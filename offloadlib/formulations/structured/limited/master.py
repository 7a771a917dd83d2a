r"""The restricted master of format 2: a linear program over known decisions, and column generation with it.

With a column p for each known decision of a device, its cost c_p = w_m C_m and its use u_p of all limits:

.. math::

   \min \sum_p c_p x_p :\; \sum_{p \in m} x_p = 1 \;\forall m,\quad \sum_p u_p x_p \le q,\quad x \ge 0

Where the largest cost counts, the objective is z instead, with :math:`\sum_{p \in m} c_p x_p \le z` for each
device; the duals of these rows add up to 1 and are the shares of the devices. Costs are counted from a lower
bound on F there, so that z >= 0 says nothing.

**Feasibility.** An artificial column of each device keeps the program feasible, at a price. Where it is
still in use when no column is missing, costs are left out: then the least weight of artificial columns is
sought in the same way. Either it is 0, or its duals are prices that prove that no decisions keep all limits.

Rows are scaled so that there is about 1 of everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from offloadlib.instances import Instance, Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.model import REFUSED, Places

from ...engine.branching import SPLIT
from ...engine.columns import CONVERGED, PRECISION, SMOOTHING, UNUSED, RestrictedMaster, Steps, generate
from ...engine.units import unit_for
from ..certificate import Charge, shortened
from ..decomposition.master import Branch, Step
from .columns import Columns, Valued, valued
from .lagrangian import Bounded, Lagrangian
from .pricing import Branches

SMOOTHING_AT_ROOT = 0.85
"""Weight of the best prices so far: rough ones are better than those of a master with few columns."""

DEARER = 1e3
"""Times what a refusal costs, what artificial columns cost at the most: it may have to be paid."""

ALL = -1
"""In place of a subtask: the branch has the device refused, or not."""


def branches(lagrangian: Lagrangian, path: Iterable[Step]) -> Branches:
    """What a path from the root leaves."""
    left = Branches(lagrangian.limits.instance)
    for device, subtask, places, inside in path:
        if subtask != ALL:
            left.divide(device, subtask, places, inside)
            if inside:
                left.serve(device)
        elif inside:
            left.refuse(device)
        else:
            left.serve(device)
    return left


def splits(instance: Instance, devices: Ints, table: Places, weights: Floats) -> dict[Branch, float]:
    """(device, subtask, places) -> its share, where columns with weights split a device; the most even first.

    Parameters
    ----------
    instance
        The instance.
    devices, table, weights
        (P,), (P, width), (P,) of columns: whose they are, the decisions, and the weights.
    """
    found: dict[Branch, float] = {}
    rows = zip(devices.tolist(), table.tolist(), weights.tolist(), strict=True)
    for m, row, weight in rows:
        if weight >= 1 - SPLIT:
            continue
        size = 1 if row[0] == REFUSED else instance.applications[int(instance.devices.application[m])].size
        for k, place in enumerate(row[:size]):
            key = (m, ALL, frozenset()) if place == REFUSED else (m, k, frozenset([place]))
            found[key] = found.get(key, 0.0) + weight
    some = [key for key, share in found.items() if SPLIT < share < 1 - SPLIT]
    some.sort(key=lambda key: (round(abs(found[key] - 0.5), 9), key[:2], sorted(key[2])))
    return {key: found[key] for key in some}


@dataclass(frozen=True)
class Node:
    """What column generation leaves: the bound, its charge, and columns in use with their weights.

    ``bound`` is infinite where the charge proves that there is no solution below the node.
    """

    bound: float
    charge: Charge
    used: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    weights: Floats = field(default_factory=lambda: np.empty(0))

    @property
    def whole(self) -> bool:
        """Whether no column is split."""
        return bool(len(self.used)) and bool(self.weights.min() >= 1 - SPLIT)


class Master:
    """Known columns and their linear program under changing branches.

    Parameters
    ----------
    lagrangian
        Of the instance.
    upper
        The size of the objective, to scale it by.
    unit
        The size of a device's cost: what artificial columns cost at first.
    floor
        A lower bound on F, and the device that proves it by itself: for ``max``.

    Attributes
    ----------
    columns
        The decisions that are known.
    program
        Its blocks are the devices; its limits those that there are, and the largest cost. Its columns are
        those above, after z where the largest cost counts.
    """

    def __init__(self, lagrangian: Lagrangian, upper: float, unit: float, floor: tuple[float, int]) -> None:
        self.lagrangian, self.limits = lagrangian, lagrangian.limits
        instance = self.limits.instance
        self.columns = Columns(self.limits)
        self._devices = instance.num_devices
        self.largest = instance.by_largest
        self._floor, self._bottom = floor
        right = lagrangian.right[lagrangian.finite]
        self._row_scale = np.array([unit_for(value) / 1024.0 if value > 0 else 1.0 for value in right])
        self.right = right * self._row_scale
        scale, refused = unit_for(upper), instance.devices.weight * instance.devices.rejection
        rows = np.zeros(self._devices) if self.largest else np.empty(0)
        self.program = RestrictedMaster(
            "the master",
            self._devices,
            np.append(self.right, rows),
            scale=scale,
            unit=unit,
            dearest=DEARER * float(np.nan_to_num(refused).max()),
            constant=self._floor if self.largest else 0.0,
        )
        self.first = int(self.largest)
        if self.largest:
            z = csr_array(
                (-np.ones(self._devices), (np.zeros(self._devices, np.int64), self.cost_rows)),
                shape=(1, self._devices + len(self.right) + self._devices),
            )
            self.program.add(np.ones(1), z)

    @property
    def cost_rows(self) -> Ints:
        """(M,) the rows of the largest cost, where that counts."""
        return self._devices + len(self.right) + np.arange(self._devices)

    def matrix(self, some: slice) -> tuple[Floats, csr_array]:
        """Costs and rows of some columns, as the program has them."""
        device, cost = self.columns.device[some], self.columns.cost[some]
        size = len(device)
        ones = csr_array((np.ones(size), (np.arange(size), device)), shape=(size, self._devices))
        use = self.columns.use[some][:, self.lagrangian.finite]
        use.data *= self._row_scale[use.indices]
        if not self.largest:
            return cost, csr_array(hstack([ones, use], format="csr"))
        above = cost - self._floor
        costs = csr_array((above, (np.arange(size), device)), shape=(size, self._devices))
        return np.zeros(size), csr_array(hstack([ones, use, costs], format="csr"))

    def add(self, found: Valued, wanted: NDArray[np.bool_] | None = None) -> int:
        """Add the decisions of devices that are new, and say how many there were."""
        first = len(self.columns)
        new = self.columns.add(found, wanted)
        if len(self.columns) > first:
            self.program.add(*self.matrix(new))
        return len(self.columns) - first

    def take(self, solution: Solution) -> None:
        """Add the decisions of a solution."""
        self.add(valued(self.limits, solution))

    def restrict(self, path: Iterable[Step]) -> None:
        """Close the columns that branches forbid, and open all others."""
        closed = np.zeros(len(self.columns), dtype=np.bool_)
        for step in path:
            closed |= self.against(step)
        self.close(closed)

    def close(self, closed: NDArray[np.bool_]) -> None:
        """Close these columns, and open all others."""
        self.program.close(np.concatenate([np.zeros(self.first, np.bool_), closed]))

    def against(self, step: Step) -> NDArray[np.bool_]:
        """The columns that a branch forbids."""
        device, subtask, places, inside = step
        mine = self.columns.device == device
        table = self.columns.table[mine]
        there = np.isin(table[:, max(subtask, 0)], [REFUSED] if subtask == ALL else list(places))
        forbidden = np.zeros(len(mine), dtype=np.bool_)
        forbidden[mine] = there != inside
        return forbidden

    def probe(self, step: Step) -> float:
        """The least cost over the known columns if one more branch were taken."""
        before = self.program.closed[self.first :]
        self.close(before | self.against(step))
        value = self.program.solve().value
        self.close(before)
        return value

    def gains(self, branch: Branch, bound: float) -> Iterator[float]:
        """What the sides of a branch add to a bound, over the known columns."""
        return (self.probe((*branch, inside)) - bound for inside in (True, False))

    def charge(self, duals: Floats, costless: bool = False) -> Charge:
        """The charge that duals of the program are."""
        prices = np.zeros(len(self.limits))
        prices[self.lagrangian.finite] = duals[: len(self.right)] * self._row_scale
        if costless or not self.largest:
            return Charge(shortened(prices))
        weights = duals[len(self.right) :].copy()
        weights[self._bottom] += max(1.0 - weights.sum(), 0.0)
        return Charge(shortened(prices), self.lagrangian.shares(weights))

    def generate(
        self,
        path: tuple[Step, ...],
        start: Charge,
        *,
        cutoff: float = math.inf,
        stop: Callable[[], bool] = lambda: False,
        patience: float = 0.0,
        floor: float = -math.inf,
        converged: float = CONVERGED,
    ) -> Node:
        """Column generation at a node.

        Parameters
        ----------
        path
            The branches above it.
        start
            A charge to begin with: the parent's.
        cutoff
            A bound from here on needs no more.
        stop
            Asked now and then whether to give up.
        patience
            A node that has to be divided is left as soon as this share of the distance between bound and
            cutoff is all that it could gain.
        floor
            A bound that the node has at the charge to begin with.
        converged
            Relative distance between the linear program and the bound that is none.
        """
        left = branches(self.lagrangian, path)
        self.restrict(path)
        tolerance = PRECISION * patience * max(cutoff - floor, 0.0) if floor > -math.inf else 0.0
        first = self.lagrangian.evaluate(start, left, tolerance if math.isfinite(tolerance) else 0.0)
        if first.bound == math.inf:
            return Node(math.inf, self.lagrangian.nowhere)
        self.add(first.found, first.some)
        bound, charge = max(first.bound, floor), start
        steps = _Steps(self, left, cutoff, patience, stop)
        if bound < cutoff:
            smoothing = SMOOTHING if path else SMOOTHING_AT_ROOT
            how = {"cutoff": cutoff, "smoothing": smoothing, "converged": converged}
            bound, charge = generate(steps, bound, charge, stop=stop, **how)
        if steps.impossible is not None:
            return Node(math.inf, steps.impossible)
        relaxed = self.program.solve() if bound >= cutoff else self.program.relaxed
        weights = relaxed.weights[self.first :]
        used = np.flatnonzero(weights > UNUSED)
        if relaxed.artificial > UNUSED:
            return Node(bound, charge)
        return Node(bound, charge, used, weights[used])


class _Steps(Steps[Charge]):
    """Column generation under the branches above a node.

    ``impossible`` is a charge that proves that nothing is left there, once there is one.
    """

    def __init__(
        self,
        master: Master,
        left: Branches,
        cutoff: float,
        patience: float,
        stop: Callable[[], bool],
    ) -> None:
        self._master, self._program, self._left = master, master.program, left
        self._cutoff, self._patience, self._stop = cutoff, patience, stop
        self.impossible: Charge | None = None

    def solve(self) -> tuple[float, Charge]:
        found = self._program.solve()
        return found.value, self._master.charge(found.prices)

    def enough(self, value: float, bound: float) -> bool:
        if not (value < self._cutoff and value - bound <= self._patience * (self._cutoff - bound)):
            return False
        found = self._program.relaxed
        weights = found.weights[self._master.first :]
        split = bool(np.any((weights > SPLIT) & (weights < 1 - SPLIT)))
        return split and found.artificial <= UNUSED

    def between(self, weight: float, best: Charge, prices: Charge) -> Charge:
        return self._master.lagrangian.between(weight, best, prices)

    def price(self, prices: Charge, tolerance: float) -> tuple[float, bool]:
        return self._taken(self._master.lagrangian.evaluate(prices, self._left, tolerance))

    def _taken(self, found: Bounded) -> tuple[float, bool]:
        return found.bound, self._master.add(found.found, found.some) > 0

    def try_harder(self) -> bool:
        return self._master.lagrangian.try_harder()

    def loosen(self) -> bool:
        if self._program.relaxed.artificial <= UNUSED:
            return False
        self._program.leave_out_costs(True)
        try:
            seek = _Feasibility(self._master, self._left)
            start = self._master.lagrangian.free()
            smallest = math.ulp(0.0)
            how = {"cutoff": smallest, "smoothing": 0.0, "precision": 0.0}
            bound, charge = generate(seek, -math.inf, start, stop=self._stop, **how)
        finally:
            self._program.leave_out_costs(False)
        if bound > 0:
            self.impossible = replace(charge, infeasible=True)
            return False
        return self._program.harden()


class _Feasibility(Steps[Charge]):
    """The same, with costs left out."""

    def __init__(self, master: Master, left: Branches) -> None:
        self._master, self._left = master, left

    def solve(self) -> tuple[float, Charge]:
        found = self._master.program.solve()
        return found.value, self._master.charge(found.prices, costless=True)

    def enough(self, value: float, bound: float) -> bool:
        return value <= UNUSED

    def between(self, weight: float, best: Charge, prices: Charge) -> Charge:
        return prices

    def price(self, prices: Charge, tolerance: float) -> tuple[float, bool]:
        found = self._master.lagrangian.evaluate(prices, self._left, costless=True)
        return found.bound, self._master.add(found.found, found.some) > 0

    def try_harder(self) -> bool:
        return self._master.lagrangian.try_harder()

    def loosen(self) -> bool:
        return False
