"""Feasible solutions out of known columns: a choice is repaired by moves, then improved by moves.

A move is another known column for one device. Repairs take what costs least, prices included, for each unit
of excess that it takes away; improvements what saves most. Uses are sums in binary64 here: whoever takes the
solution holds it against exact sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.limits import HAIR

from .columns import Columns
from .lagrangian import Lagrangian

PASSES = 60
"""Times that all moves are looked through for repairs, and again for improvements."""

FREE = 1e-9
"""Cost of what a change needs at the least: some need nothing that is scarce."""


class Repair:
    """One choice of columns that changes.

    Parameters
    ----------
    lagrangian, columns
        The limits and the decisions.
    prices
        (L,) what use is worth, roughly.
    open_
        (P,) the columns that may be used.
    late
        Whether to end as it is.
    """

    def __init__(
        self,
        lagrangian: Lagrangian,
        columns: Columns,
        prices: Floats,
        open_: NDArray[np.bool_] | None = None,
        late: Callable[[], bool] = lambda: False,
    ) -> None:
        self._device, self._cost = columns.device, columns.cost
        self._use = columns.use[:, lagrangian.finite]
        right = lagrangian.right[lagrangian.finite]
        self._unit: Floats = np.where(right > 0, right, 1.0)
        self._prices = prices[lagrangian.finite]
        self._right, self._late = right, late
        self._start: list[int] = self._use.indptr.tolist()
        self._open = np.ones(len(columns), np.bool_) if open_ is None else open_
        self._largest = lagrangian.limits.instance.by_largest
        self.chosen: Ints = np.empty(0, np.int64)
        self.used: Floats = np.empty(0)

    def begin(self, chosen: Ints) -> None:
        """From here on one column for each device (M,)."""
        self.chosen = chosen.copy()
        self.used = np.asarray(self._use[chosen].sum(axis=0), dtype=np.float64)

    def of(self, column: int) -> tuple[NDArray[np.int32], Floats]:
        """Limits that a column uses, and how much."""
        some = slice(self._start[column], self._start[column + 1])
        return self._use.indices[some], self._use.data[some]

    def repaired(self) -> bool:
        """Move devices until all limits are kept; whether they are."""
        harder = 1.0
        for _ in range(PASSES):
            excess = self._excess(self.used)
            if not (excess > 0).any():
                return True
            if self._late() or not self._relieve(excess, harder):
                return False
            harder *= 1.5
        return not (self._excess(self.used) > 0).any()

    def _excess(self, used: Floats) -> Floats:
        over = used - self._right
        excess: Floats = np.where(over > HAIR * self._unit, over, 0.0) / self._unit
        return excess

    def _relieve(self, excess: Floats, harder: float) -> bool:
        """Moves that take away what is too much, the cheapest first; whether there was one."""
        now = self.chosen[self._device]
        over = np.where(excess > 0, 1.0 / self._unit, 0.0)
        relief = (self._use @ over)[now] - self._use @ over
        dearer = self._cost - self._cost[now]
        weighed = self._use @ self._prices
        dearer = dearer + weighed - weighed[now]
        some = np.flatnonzero((relief > HAIR) & self._open)
        if not len(some):
            return False
        ranked = some[np.argsort((dearer[some] + 0.0) / relief[some], kind="stable")]
        moved, before = False, excess.sum()
        for column in ranked.tolist():
            if not before > 0:
                break
            then = self._after(column)
            if then is None:
                continue
            after = self._excess(then).sum()
            if after < before - HAIR:
                self._move(column, then)
                before, moved = after, True
        return moved

    def _after(self, column: int) -> Floats | None:
        """What is used with another column for its device; None where it has it already."""
        device = self._device[column]
        old = int(self.chosen[device])
        if old == column:
            return None
        used = self.used.copy()
        at, amount = self.of(old)
        used[at] -= amount
        at, amount = self.of(column)
        used[at] += amount
        return used

    def _move(self, column: int, used: Floats) -> None:
        self.chosen[self._device[column]] = column
        self.used = used

    def improved(self) -> None:
        """Moves that save something and keep all limits, the best first, until there is none."""
        for _ in range(PASSES):
            if self._late() or not self._save():
                return

    def _save(self) -> bool:
        now = self.chosen[self._device]
        saved = self._cost[now] - self._cost
        if self._largest:
            saved = np.where(self._cost[now] >= self._cost[self.chosen].max() * (1 - HAIR), saved, 0.0)
        some = np.flatnonzero((saved > 0) & self._open)
        # What needs nothing scarce comes first.
        free = self._right - self.used + HAIR * self._unit
        worth = saved[some] / (FREE + np.maximum(self._use[some] @ self._prices, 0.0) + saved[some])
        moved = False
        for column in some[np.argsort(-saved[some] * worth, kind="stable")].tolist():
            old = int(self.chosen[self._device[column]])
            if self._cost[column] >= self._cost[old]:
                continue
            at, amount = self.of(column)
            mine = dict(zip(*(part.tolist() for part in self.of(old)), strict=True))
            if all(
                free[i] + mine.get(i, 0.0) >= x for i, x in zip(at.tolist(), amount.tolist(), strict=True)
            ):
                before, taken = self.of(old)
                free[before] += taken
                free[at] -= amount
                self.used[before] -= taken
                self.used[at] += amount
                self.chosen[self._device[column]] = column
                moved = True
        return moved

    @property
    def cost(self) -> float:
        """Of the choice."""
        cost = self._cost[self.chosen]
        return float(cost.max()) if self._largest else math.fsum(cost.tolist())
