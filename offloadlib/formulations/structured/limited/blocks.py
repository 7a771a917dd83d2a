r"""Prices for very many devices: a master program in which a block of devices answers as one.

A linear program with a row for each of 10^5 devices is too large; one with a row for all of them learns
little from an answer. So devices are put into blocks B. A column a of a block is what its devices want at
one set of prices, with sums for its cost and use. The next prices are the duals of

.. math::

   \min \sum_{B, a} c_{Ba} x_{Ba} + \text{high} \cdot y - \text{low} \cdot z :\;
   \sum_a x_{Ba} = 1 \;\forall B,\quad \sum_{B, a} u_{Ba} x_{Ba} - y + z \le q,\quad x, y, z \ge 0

which y and z, more and less of each limit than there is, keep in a box around the best prices so far: at any
one set of prices nearly all devices want the same points, and duals without a box would be far off (Marsten,
Hogan, Blankenship 1975). The box grows where its duals are better than its middle, or y and z are still
needed in the end, and shrinks where they are worse.

Pricing at any prices bounds the objective from below, but it takes seconds. What devices want of the
decisions that are known already is told in a hundredth of that, so it is these that are asked first, until
the program has nothing to gain from them. To begin with, all are priced at a few sets of prices near each
other, so that each device knows what it turns to where something becomes dearer.

The weights x are a first choice as well: where a share x_Ba of the devices of each block takes its decision
of answer a, limits are used, in the mean, as the program has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, eye_array, hstack, vstack

from offloadlib.instances.arrays import Floats, Ints

from ...engine.columns import UNUSED, RestrictedMaster
from ...engine.units import unit_for
from ..certificate import Charge, shortened
from .columns import Columns
from .lagrangian import Bounded, Lagrangian

BLOCKS = 200
"""Blocks at the most."""

NEARBY = (0.01, 0.02, 0.04)
"""How far the first prices are from those to begin with, relatively."""

WIDTH, WIDEST = 0.03, 1.0
"""Of the box at first, and at the most, relative to the prices in its middle."""

NEVER = 100.0
"""What artificial columns cost, relative to all devices: the box leaves no use for them."""

LEAST = 0.1
"""What a limit is worth at least for that, relative to its part of the objective."""

WIDER, NARROWER = 2.0, 0.6
"""What becomes of the box."""

ENOUGH = 0.5
"""Share of the gap that is asked for, at which the bound is good enough."""

PRECISION = 0.05
"""The same, up to which devices' decisions are the best ones."""

MOST_ASKED = 40
"""Times that known decisions are asked for in one box."""

Told = Callable[[Bounded, Charge], None]
"""Told of each answer and its prices."""


class Blocks:
    """Devices in blocks, and what they answered.

    Parameters
    ----------
    lagrangian, columns
        The limits, and where decisions go.
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
        self._gap, self._stop, self._draw = gap, stop, np.random.default_rng(seed)
        devices = lagrangian.limits.instance.num_devices
        self._blocks = min(BLOCKS, devices)
        self._block = np.arange(devices) * self._blocks // devices
        self._sums = csr_array(
            (np.ones(devices), (self._block, np.arange(devices))), shape=(self._blocks, devices)
        )
        self._right = lagrangian.right[lagrangian.finite]
        self._unit: Floats = np.where(self._right > 0, self._right, 1.0)
        self._program: RestrictedMaster | None = None
        self._size, self._width = 1.0, WIDTH
        self._answers: list[Ints] = []
        self._answered: list[Ints] = []
        """The columns of the program that each answer is."""
        self._known: _Known | None = None

    def prices(self, charge: Charge) -> Charge:
        """The best prices that are found, beginning with a charge."""
        best, bound = charge, self._asked(charge)
        for far in NEARBY:
            if not self._several or self._stop():
                return best
            prices = best.prices.copy()
            worth, reach = self._worth(best)
            moved = worth + far * reach * self._draw.standard_normal(len(worth))
            prices[self._lagrangian.finite] = moved / self._unit
            self._asked(Charge(shortened(prices)), PRECISION * self._distance)
        while self._several and not self._stop():
            trial, value, held = self._best_known(best, self._width)
            if value - bound <= ENOUGH * self._distance:
                if not held or self._width >= WIDEST:
                    break
                self._width *= WIDER
                continue
            value = self._asked(trial, PRECISION * self._distance)
            if value > bound:
                best, bound = trial, value
                self._width *= WIDER
            else:
                self._width *= NARROWER
        return best

    def choice(self, charge: Charge) -> Ints | None:
        """(M,) a column for each device, by the weights of its block; None without an answer of all."""
        if not self._several:
            return self._answers[0] if self._answers else None
        assert self._program is not None
        # In a box that holds them, weights use more than there is.
        while self._best_known(charge, self._width)[2] and self._width < WIDEST:
            self._width *= WIDER
        weights = np.maximum(self._program.relaxed.weights[np.array(self._answered)], 0.0)
        below = np.cumsum(weights / np.maximum(weights.sum(axis=0), UNUSED), axis=0)
        # In random order, each answer takes its share of a block.
        order = np.lexsort((self._draw.random(len(self._block)), self._block))
        first = np.searchsorted(self._block, np.arange(self._blocks + 1))
        drawn = np.empty(len(order))
        drawn[order] = (np.arange(len(order)) - first[self._block] + 0.5) / np.diff(first)[self._block]
        answer = np.minimum((drawn >= below[:, self._block]).sum(axis=0), len(self._answers) - 1)
        chosen: Ints = np.array(self._answers)[answer, np.arange(len(drawn))]
        return chosen

    @property
    def _several(self) -> bool:
        """Whether there are limits, and a program."""
        return self._program is not None and len(self._right) > 0

    @property
    def _distance(self) -> float:
        """The gap that is asked for, in the objective's unit."""
        return self._gap * self._size

    def _worth(self, charge: Charge) -> tuple[Floats, Floats]:
        """(L,) what all there is of each limit is worth, and what that may change by at a width of 1."""
        worth = charge.prices[self._lagrangian.finite] * self._unit
        return worth, np.maximum(worth, LEAST * self._size / len(worth))

    def _asked(self, charge: Charge, tolerance: float = 0.0) -> float:
        """The bound at a charge; what devices want there becomes columns, where all want something."""
        found = self._lagrangian.evaluate(charge, None, tolerance)
        self._columns.add(found.found, found.some)
        self._told(found, charge)
        if found.some.all():
            self._known = None
            self._answer(self._columns.of(found.found.table))
        return found.bound

    def _answer(self, chosen: Ints) -> None:
        """Columns of all devices (M,) become columns of their blocks."""
        self._answers.append(chosen)
        cost = np.asarray(self._sums @ self._columns.cost[chosen], dtype=np.float64)
        if self._program is None:
            self._size = size = float(np.abs(cost).sum()) or 1.0
            right = self._right / self._unit
            self._program = RestrictedMaster(
                "the master of blocks", self._blocks, right, scale=unit_for(size), unit=NEVER * size
            )
        use = csr_array(self._sums @ self._columns.use[chosen][:, self._lagrangian.finite])
        use.data /= self._unit[use.indices]
        self._answered.append(len(self._program.closed) + np.arange(self._blocks))
        self._program.add(cost, csr_array(hstack([eye_array(self._blocks), use], format="csr")))

    def _best_known(self, middle: Charge, width: float) -> tuple[Charge, float, bool]:
        """The best prices in a box for the decisions that are known; the value of the program there, and
        whether the box holds it."""
        assert self._program is not None
        if self._known is None:
            self._known = _Known.of(self._columns, self._lagrangian.finite)
        best, least = middle, -np.inf
        box = len(self._program.closed) + np.arange(2 * len(self._right))
        self._box(middle, width)
        for _ in range(MOST_ASKED):
            found = self._program.solve()
            if found.value - least <= PRECISION * self._distance or self._stop():
                break
            prices = np.zeros(len(middle.prices))
            prices[self._lagrangian.finite] = found.prices / self._unit
            chosen, value = self._known.wanted(prices[self._lagrangian.finite])
            value -= float(found.prices @ (self._right / self._unit))
            if value > least:
                best, least = Charge(shortened(prices)), value
            self._answer(chosen)
        return best, found.value, bool((found.weights[box] > UNUSED).any())

    def _box(self, middle: Charge, width: float) -> None:
        """Keep the program's prices in a box, and in no other one."""
        assert self._program is not None
        worth, reach = self._worth(middle)
        closed = np.ones(len(self._program.closed), dtype=np.bool_)
        closed[np.concatenate(self._answered)] = False
        self._program.close(closed)
        one = eye_array(len(worth), format="csr")
        none = csr_array((2 * len(worth), self._blocks))
        self._program.add(
            np.concatenate([worth + width * reach, -np.maximum(worth - width * reach, 0.0)]),
            csr_array(hstack([none, vstack([-one, one])], format="csr")),
        )


class _Known(NamedTuple):
    """Known columns, ordered by device: which they are, where those of each device begin, (P, L) use."""

    column: Ints
    first: Ints
    cost: Floats
    use: csr_array

    @classmethod
    def of(cls, columns: Columns, finite: Ints) -> _Known:
        order = np.argsort(columns.device, kind="stable")
        device = columns.device[order]
        first = np.searchsorted(device, np.arange(device[-1] + 1))
        return cls(order, first, columns.cost[order], columns.use[order][:, finite])

    def wanted(self, prices: Floats) -> tuple[Ints, float]:
        """(M,) the cheapest column of each device at prices, and what these come to."""
        priced = self.cost + self.use @ prices
        least = np.minimum.reduceat(priced, self.first)
        count = np.diff(np.append(self.first, len(priced)))
        # The first of those that cost least.
        at = np.flatnonzero(priced == np.repeat(least, count))
        owner = np.searchsorted(self.first, at, side="right") - 1
        _, one = np.unique(owner, return_index=True)
        return self.column[at[one]], float(least.sum())
