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

Pricing at any prices bounds the objective from below. The weights x are a first choice as well: where each
device takes the decision of answer a with probability x_Ba, limits are used, in the mean, as the program has
it.
"""

from __future__ import annotations

from collections.abc import Callable

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

WIDTH, WIDEST = 0.03, 1.0
"""Of the box at first, and at the most, relative to the prices in its middle."""

NEVER = 100.0
"""What artificial columns cost, relative to all devices: the box leaves no use for them."""

LEAST = 1e-3
"""What a limit is worth at least for that, relative to its part of the bound."""

WIDER, NARROWER = 2.0, 0.6
"""What becomes of the box."""

ENOUGH = 0.2
"""Share of the gap that is asked for, at which the bound is good enough."""

PRECISION = 0.05
"""The same, up to which devices' decisions are the best ones."""

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
    """

    def __init__(self, lagrangian: Lagrangian, columns: Columns, told: Told) -> None:
        self._lagrangian, self._columns, self._told = lagrangian, columns, told
        devices = lagrangian.limits.instance.num_devices
        self._blocks = min(BLOCKS, devices)
        self._block = np.arange(devices) * self._blocks // devices
        self._sums = csr_array(
            (np.ones(devices), (self._block, np.arange(devices))), shape=(self._blocks, devices)
        )
        self._right = lagrangian.right[lagrangian.finite]
        self._unit: Floats = np.where(self._right > 0, self._right, 1.0)
        self._program: RestrictedMaster | None = None
        self._answers: list[Ints] = []
        self._answered: list[Ints] = []
        """The columns of the program that each answer is."""

    def prices(self, charge: Charge, gap: float, stop: Callable[[], bool]) -> Charge:
        """The best prices that are found, beginning with a charge; the gap is what is asked for."""
        best, bound, width = charge, self._asked(charge), WIDTH
        while self._program is not None and len(self._right) and not stop():
            self._box(best.prices[self._lagrangian.finite], width, LEAST * abs(bound) / len(self._right))
            found = self._program.solve()
            held = bool((found.weights[-2 * len(self._right) :] > UNUSED).any())
            if found.value - bound <= ENOUGH * gap * abs(bound):
                if not held or width >= WIDEST:
                    break
                width *= WIDER
                continue
            prices = np.zeros(len(best.prices))
            prices[self._lagrangian.finite] = found.prices / self._unit
            trial = Charge(shortened(prices))
            value = self._asked(trial, PRECISION * gap * abs(bound))
            if value > bound:
                best, bound, width = trial, value, WIDER * width
            else:
                width *= NARROWER
        return best

    def choice(self, seed: int) -> Ints | None:
        """(M,) a column for each device, drawn by the weights of its block; None without an answer of all."""
        if self._program is None:
            return None
        weights = np.maximum(self._program.relaxed.weights[np.array(self._answered)], 0.0)
        below = np.cumsum(weights / np.maximum(weights.sum(axis=0), UNUSED), axis=0)
        drawn = np.random.default_rng(seed).random(len(self._block))
        answer = np.minimum((drawn >= below[:, self._block]).sum(axis=0), len(self._answers) - 1)
        chosen: Ints = np.array(self._answers)[answer, np.arange(len(drawn))]
        return chosen

    def _asked(self, charge: Charge, tolerance: float = 0.0) -> float:
        """The bound at a charge; what devices want there becomes columns, where all want something."""
        found = self._lagrangian.evaluate(charge, None, tolerance)
        self._columns.add(found.found, found.some)
        self._told(found, charge)
        if not found.some.all():
            return found.bound
        self._answers.append(self._columns.of(found.found.table))
        cost = np.asarray(self._sums @ found.found.cost, dtype=np.float64)
        if self._program is None:
            size = float(np.abs(cost).sum()) or 1.0
            right = self._right / self._unit
            self._program = RestrictedMaster(
                "the master of blocks", self._blocks, right, scale=unit_for(size), unit=NEVER * size
            )
        use = csr_array(self._sums @ found.found.use[:, self._lagrangian.finite])
        use.data /= self._unit[use.indices]
        self._answered.append(len(self._program.closed) + np.arange(self._blocks))
        self._program.add(cost, csr_array(hstack([eye_array(self._blocks), use], format="csr")))
        return found.bound

    def _box(self, prices: Floats, width: float, least: float) -> None:
        """Keep the program's prices in a box, and in no other one; limits are worth so much at least."""
        assert self._program is not None
        worth = prices * self._unit
        reach = width * np.maximum(worth, least)
        closed = np.ones(len(self._program.closed), dtype=np.bool_)
        closed[np.concatenate(self._answered)] = False
        self._program.close(closed)
        one = eye_array(len(worth), format="csr")
        none = csr_array((2 * len(worth), self._blocks))
        self._program.add(
            np.concatenate([worth + reach, -np.maximum(worth - reach, 0.0)]),
            csr_array(hstack([none, vstack([-one, one])], format="csr")),
        )
