r"""Prices for very many devices: known decisions give a bound, which is smoothed; pricing where that is best.

A linear program with a row for each of 10^5 devices is too large. But what it maximises over prices,

.. math::

   \sum_m \min_{p \in m} \bigl( c_p + \text{prices} \cdot u_p \bigr) - \text{prices} \cdot q

over the known columns p, is a concave function of few prices, told in milliseconds. Where each minimum is
replaced by :math:`-\tau \log \sum_p e^{-(\cdot)/\tau}`, which is less by some tau at the most times the
logarithm of their number, it is smooth (Nesterov 2005), and a quasi-Newton method finds its maximum
(L-BFGS-B; Byrd, Lu, Nocedal, Zhu 1995). The prices stay in a box around the best ones so far (Marsten,
Hogan, Blankenship 1975): known columns say little of prices that are far from those at which they were
wanted. Pricing there bounds the objective from below and tells new columns. The box grows where the bound is
better than its middle's, and shrinks where it is worse. To begin with, all devices are priced at a few sets
of prices near each other, so that each one knows what it turns to where something becomes dearer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from offloadlib.instances.arrays import Floats, Ints

from ..certificate import Charge, shortened
from .columns import Columns
from .lagrangian import Bounded, Lagrangian

NEARBY = (0.01, 0.02, 0.04)
"""How far the first prices are from those to begin with, relatively."""

WIDTH, NARROWEST, WIDEST = 0.03, 1e-6, 1.0
"""Of the box at first, at the least and at the most, relative to the prices in its middle."""

LEAST = 0.1
"""What a limit is worth at least for that, relative to its part of the objective."""

WIDER, NARROWER = 3.0, 0.5
"""What becomes of the box."""

FINEST = 1e-6
"""The least relative gap that smoothing is asked for."""

BEYOND = 100.0
"""A bound that is so many times the cost without limits: no decisions seem to keep them."""

ENOUGH = 0.5
"""Share of the gap that is asked for, at which the bound is good enough."""

PRECISION = 0.05
"""The same, up to which devices' decisions are the best ones."""

SHORT, SHORTER = 0.5, 0.2
"""Share of what a bound falls short of known decisions' that may come from searches that were cut short; and
what is left of that at the most, where more effort helps."""

SMOOTH = (30.0, 3.0, 0.3)
"""What smoothing takes from the bound at the most, one time after the other, relative to that."""

MOST_TURNS, TURNED = 60, 1e-3
"""Of the quasi-Newton method, each time; and gain of a turn, relative to the gap, that is none."""

HELD = 1e-3
"""Share of the box's width, as near to its side as which prices are held by it."""

Told = Callable[[Bounded, Charge], None]
"""Told of each answer and its prices; makes columns of it."""


class Balance:
    """Prices at which all limits are used as much as there is.

    Parameters
    ----------
    lagrangian, columns
        The limits, and the decisions that are known.
    told
        See :data:`Told`.
    gap, seed
        What is asked for, relatively; for what is drawn.
    stop
        Asked now and then whether to end.
    """

    def __init__(
        self,
        lagrangian: Lagrangian,
        columns: Columns,
        told: Told,
        gap: float,
        seed: int,
        stop: Callable[[], bool],
    ) -> None:
        self._lagrangian, self._columns, self._told = lagrangian, columns, told
        self._gap, self._stop, self._draw = max(gap, FINEST), stop, np.random.default_rng(seed)
        self._right = lagrangian.right[lagrangian.finite]
        self._unit: Floats = np.where(self._right > 0, self._right, 1.0)
        self._size, self._answered = float(np.abs(columns.cost).sum()) or 1.0, False
        self._best, self._bound, self._helps = lagrangian.free(), -np.inf, True

    def begin(self, charge: Charge) -> bool:
        """Ask at a charge and near it; whether all devices have decisions, and there are limits."""
        self._best, self._bound = charge, self._asked(charge, PRECISION * self._distance).bound
        for far in NEARBY if self._answered and len(self._right) else ():
            if not self._stop():
                worth, reach = self._worth(charge)
                moved = worth + far * reach * self._draw.standard_normal(len(worth))
                self._asked(self._charge(moved), PRECISION * self._distance)
        return self._answered and len(self._right) > 0

    def prices(self) -> Charge:
        """The best prices that are found, once it has begun."""
        width = WIDTH
        while width > NARROWEST and self._bound < BEYOND * self._size and not self._stop():
            trial, value, held = self._best_known(self._best, width)
            if value - self._bound <= ENOUGH * self._distance:
                if not held or width >= WIDEST:
                    break
                width *= WIDER
                continue
            bound = self._searched(trial, value)
            width = min(width * WIDER, WIDEST) if bound > self._bound else width * NARROWER
            if bound > self._bound:
                self._best, self._bound = trial, bound
        return self._best

    def turning(self) -> Floats:
        """(all limits,) the prices near the best ones at which the bound of known decisions is best: there
        devices turn from one of them to another."""
        return self._best_known(self._best, WIDTH)[0].prices

    @property
    def _distance(self) -> float:
        """The gap that is asked for, in the objective's unit."""
        return self._gap * self._size

    def _smooth(self, times: float) -> float:
        """What smoothing may take from a device's minimum."""
        return times * self._distance / self._lagrangian.limits.instance.num_devices

    def _charge(self, worth: Floats) -> Charge:
        """The charge at which all there is of each limit (L,) is worth so much."""
        prices = np.zeros(len(self._lagrangian.right))
        prices[self._lagrangian.finite] = np.maximum(worth, 0.0) / self._unit
        return Charge(shortened(prices))

    def _worth(self, charge: Charge) -> tuple[Floats, Floats]:
        """(L,) what all there is of each limit is worth, and what that may change by at a width of 1."""
        worth = charge.prices[self._lagrangian.finite] * self._unit
        return worth, np.maximum(worth, LEAST * self._size / len(worth))

    def _searched(self, trial: Charge, value: float) -> float:
        """The bound at prices for which known decisions give a value. Where searches that are cut short keep
        it from that, rather than unknown decisions, all go on for longer, as long as that helps."""
        found, lagrangian = self._asked(trial, PRECISION * (value - self._bound)), self._lagrangian
        bound, before = found.bound, lagrangian.effort
        while (
            self._helps
            and found.short > max(bound - self._bound, SHORT * (value - bound))
            and not self._stop()
            and lagrangian.try_harder()
        ):
            longer = self._asked(trial, PRECISION * (value - self._bound))
            bound = max(bound, longer.bound)
            self._helps = longer.short < SHORTER * found.short
            if not self._helps:
                lagrangian.effort = before
            found, before = longer, lagrangian.effort
        return bound

    def _asked(self, charge: Charge, tolerance: float = 0.0) -> Bounded:
        """The answer at a charge; what devices want there becomes columns, where all want something."""
        found = self._lagrangian.evaluate(charge, None, tolerance)
        self._told(found, charge)
        if not self._answered:
            self._size = float(np.abs(found.found.cost).sum()) or 1.0
            self._answered = bool(found.some.all())
        return found

    def _best_known(self, middle: Charge, width: float) -> tuple[Charge, float, bool]:
        """The best prices in a box for the decisions that are known; the bound that these give there, and
        whether the box holds it."""
        from scipy.optimize import minimize  # few need it, and it takes long to import

        known = KnownColumns.of(self._columns, self._lagrangian.finite)
        worth, reach = self._worth(middle)
        low, high = np.maximum(worth - width * reach, 0.0), worth + width * reach
        right, size = self._right / self._unit, self._size

        def smoothed(times: float, at: Floats) -> tuple[float, Floats]:
            found = known.wanted(at * size / self._unit, self._smooth(times))
            return float(at @ right - found.value / size), right - found.use / self._unit

        at = worth / size
        for times in SMOOTH:
            if self._stop():
                break
            bounds = list(zip(low / size, high / size, strict=True))
            how = {"maxiter": MOST_TURNS, "maxfun": 2 * MOST_TURNS, "ftol": TURNED * self._gap}
            at = minimize(  # type: ignore[call-overload]
                partial(smoothed, times), at, method="L-BFGS-B", jac=True, bounds=bounds, options=how
            ).x
        charge = self._charge(at * size)
        value = (
            known.wanted(charge.prices[self._lagrangian.finite]).value
            - charge.prices @ self._lagrangian.right
        )
        edge = HELD * width * reach
        held = ((at * size > high - edge) | ((at * size < low + edge) & (low > 0))).any()
        return charge, float(value), bool(held)


class Smoothed(NamedTuple):
    """What all devices come to, smoothed, the weights (P,) of columns, and what is used of limits (L,)."""

    value: float
    weights: Floats
    use: Floats


class KnownColumns(NamedTuple):
    """Known columns, ordered by device: where those of each device begin, (P,) cost, (P, L) use."""

    first: Ints
    cost: Floats
    use: csr_array

    @classmethod
    def of(cls, columns: Columns, finite: Ints) -> KnownColumns:
        """The columns there are; each device has one."""
        order = np.argsort(columns.device, kind="stable")
        device = columns.device[order]
        first = np.searchsorted(device, np.arange(device[-1] + 1))
        return cls(first, columns.cost[order], columns.use[order][:, finite])

    def wanted(self, prices: Floats, smooth: float = 0.0) -> Smoothed:
        """What devices want at prices (L,): the cheapest column, or nearly as cheap ones to a part."""
        priced = self.cost + self.use @ prices
        count = np.diff(np.append(self.first, len(priced)))
        least = np.minimum.reduceat(priced, self.first)
        beyond = priced - np.repeat(least, count)
        weights = np.exp(-beyond / smooth) if smooth > 0 else (beyond == 0).astype(np.float64)
        total = np.add.reduceat(weights, self.first)
        value = float(least.sum() - smooth * np.log(total).sum())
        weights /= np.repeat(total, count)
        return Smoothed(value, weights, weights @ self.use)
