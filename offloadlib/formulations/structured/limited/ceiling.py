r"""Branch-and-price under a ceiling: no device may cost more than so much, its weight included.

The least sum of costs under a ceiling on the largest one is a point of the front of both. A ceiling is no
part of an instance; it takes decisions away from each device by itself, so that the search of
:mod:`.branch_and_price`, its master and its tree stay what they are. What changes is the pricing problem:

.. math::

   \min_{d_m} \; w_m C_m(d_m) + \text{prices} \times \text{use}(d_m)
   :\; w_m (a_m G_m + b_m E_m + \text{fees}_m) \le c

**Boxes.** Pricing knows deadlines and energy budgets. With a delay of at least g, what the ceiling leaves
for energy is at most (c/w_m - fees - a_m g)/b_m. So the decisions with a delay between g and h are among
those with a deadline of h and that budget: a relaxation, whose best decision may be above the ceiling. Then
the interval is divided at a delay that leaves that decision to neither half, and the half with the lower
bound is next. Fees count with the least that a device can pay; where the true ones are what takes a decision
above the ceiling, it is the place of a subtask that divides: there, or not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush

import numpy as np

from offloadlib.instances import Solution
from offloadlib.instances.arrays import Floats, frozen
from offloadlib.instances.structured.cost import spent
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.model import Places
from offloadlib.instances.structured.options import options

from .lagrangian import Lagrangian
from .pricing import Asked, Branches, Priced

HAIR = 1e-9
"""Relative: boxes are larger by so much, so that roundings take nothing out of them."""

TOUCHING = 1e-12
"""Relative: a cost that is above the ceiling by so little counts as allowed, in bounds."""

MOST_BOXES = 60
"""Of a device, after which what is known of the rest stays a relaxation."""


@dataclass(eq=False)
class Below(Lagrangian):
    """The Lagrangian of decisions that keep a ceiling."""

    ceiling: float = math.inf

    def price(self, asked: Asked, branches: Branches | None, tolerance: float) -> Priced:
        return _Pricing(self, asked, branches, tolerance).run()


@dataclass(frozen=True)
class _Box:
    """Some of a device's decisions.

    Attributes
    ----------
    low, high
        Between which their delays are.
    steps
        Subtask, place, and whether it is there: branches.
    """

    low: float
    high: float
    steps: tuple[tuple[int, int, bool], ...] = ()


class _Pricing:
    """Pricing of all devices under the ceiling, box by box.

    Attributes
    ----------
    most
        (M,) the most that C_m may be, a hair included.
    """

    def __init__(self, lagrangian: Below, asked: Asked, branches: Branches | None, tolerance: float) -> None:
        self._lagrangian, self._asked, self._tolerance = lagrangian, asked, tolerance
        self._instance = instance = lagrangian.limits.instance
        devices, size = instance.devices, instance.num_devices
        self._second, self._joule, paid = np.empty(size), np.empty(size), np.empty(size)
        self._fee: list[Floats] = [np.empty(0)] * size
        for g, (group, term) in enumerate(zip(instance.groups, instance.terms, strict=True)):
            self._second[group.members] = term.delay_weight
            self._joule[group.members] = term.energy_weight
            table = options(instance, g)
            for m, fee in zip(
                group.members.tolist(), np.where(table.allowed, table.fee, np.inf), strict=True
            ):
                self._fee[m], paid[m] = fee, _least(fee)
        some, ceiling = devices.weight > 0, lagrangian.ceiling
        each = (ceiling + TOUCHING * abs(ceiling)) / np.where(some, devices.weight, 1.0)
        self.most = np.where(some, each, math.inf if ceiling >= 0 else -math.inf)
        self._branches = Branches(instance, branches)
        self._branches.may_refuse &= devices.rejection <= self.most
        self._branches.may_serve &= np.isfinite(paid)
        self._branches.may_serve[np.isfinite(paid)] &= (self.most - paid >= 0)[np.isfinite(paid)]

    def run(self) -> Priced:
        """The least of each device."""
        size, limits = self._instance.num_devices, self._lagrangian.limits
        least, found = np.full(size, np.inf), np.full(size, np.inf)
        relaxed = np.zeros(size, dtype=np.bool_)
        table = limits.table(Solution.all_local(self._instance))
        heaps: list[list[tuple[float, int, _Box]]] = [[(-math.inf, 0, _Box(0.0, math.inf))] for _ in least]
        boxes = np.ones(size, dtype=np.int64)
        active = {m: heappop(heap) for m, heap in enumerate(heaps)}
        while active:
            priced = self._within({m: box for m, (_, _, box) in active.items()})
            decisions = limits.table(priced.solution)
            delay, energy, cost, _ = spent(self._instance, priced.solution)
            for m, (above, _, box) in list(active.items()):
                value = max(float(priced.value[m]), above)
                relaxed[m] |= bool(priced.relaxed[m])
                halves: Sequence[_Box] = ()
                if cost[m] <= self.most[m] or priced.found[m] == math.inf:
                    if priced.found[m] < found[m]:
                        found[m], table[m] = priced.found[m], decisions[m]
                elif boxes[m] < MOST_BOXES:
                    halves = self._halves(m, box, float(delay[m]), float(energy[m]), decisions[m])
                if not halves:
                    least[m] = min(least[m], value)
                    relaxed[m] |= value < priced.found[m] == math.inf or cost[m] > self.most[m]
                for half in halves:
                    boxes[m] += 1
                    heappush(heaps[m], (value, int(boxes[m]), half))
                del active[m]
                if heaps[m] and heaps[m][0][0] < min(least[m], found[m] - self._tolerance):
                    active[m] = heappop(heaps[m])
                elif heaps[m]:
                    least[m] = min(least[m], heaps[m][0][0])
        return Priced(least, found, limits.solution(table), relaxed)

    def _left(self, m: int, box: _Box) -> float:
        """What the ceiling leaves beside the least fees."""
        fee = self._fee[m]
        for k, place, there in box.steps:
            kept = np.zeros(fee.shape[1], dtype=np.bool_)
            kept[place] = True
            fee = fee.copy()
            fee[k, kept != there] = np.inf
        return float(self.most[m]) - _least(fee)

    def _within(self, boxes: Mapping[int, _Box]) -> Priced:
        """Price some devices, each in its box."""
        devices, branches = self._instance.devices, Branches(self._instance, self._branches)
        asked = np.zeros(self._instance.num_devices, dtype=np.bool_)
        asked[list(boxes)] = True
        branches.may_serve &= asked
        branches.may_refuse &= asked
        deadline, budget = devices.deadline.copy(), devices.energy_budget.copy()
        for m, box in boxes.items():
            for k, place, there in box.steps:
                branches.divide(m, k, (place,), there)
            left = self._left(m, box)
            high = min(box.high, _over(left, self._second[m]))
            deadline[m] = min(deadline[m], high * (1 + HAIR))
            budget[m] = min(budget[m], _over(left - self._second[m] * box.low, self._joule[m]) * (1 + HAIR))
        boxed = replace(
            devices,
            deadline=frozen(deadline, np.float64),
            energy_budget=frozen(budget, np.float64),
        )
        limits = Limits(replace(self._instance, devices=boxed))
        alone = replace(self._lagrangian, limits=limits, ceiling=math.inf)
        return Lagrangian.price(alone, self._asked, branches, self._tolerance)

    def _halves(self, m: int, box: _Box, delay: float, energy: float, row: Places) -> Sequence[_Box]:
        """A box divided so that a decision above the ceiling is in neither half; empty if that fails."""
        second = float(self._second[m])
        if second > 0:
            needed = max((self._left(m, box) - self._joule[m] * energy) / second, box.low)
            taken = min(delay, box.high)
            if taken - needed > 4 * HAIR * taken:
                at = 0.5 * (needed + taken)
                return replace(box, high=at), replace(box, low=at)
        fee = self._fee[m]
        beyond = [fee[k, row[k]] - fee[k].min() for k in range(len(fee))]
        for k in np.argsort(beyond)[::-1].tolist():
            step = (k, int(row[k]))
            if beyond[k] > 0 and (*step, True) not in box.steps:
                return tuple(replace(box, steps=(*box.steps, (*step, there))) for there in (True, False))
        return ()


def _least(fee: Floats) -> float:
    """The least that (K, places) fees add up to."""
    return float(fee.min(axis=1).sum())


def _over(amount: float, each: float) -> float:
    """How much an amount is enough for; infinite where it costs nothing."""
    return max(amount, 0.0) / each if each > 0 else math.inf
