r"""Rough prices in a few evaluations: raise what is wanted too much, lower what is left over (Walras).

Prices that change each by itself converge badly: if a point becomes dearer, its subtasks go to the next
faster or slower one. So what changes are the cumulative uses. Let the points be sorted by speed, the
fastest first, with seconds per unit of work :math:`s_1 \le s_2 \le \dots`, and

.. math::

   v_n = \lambda + \sum_{j \ge n} \sigma_j (s_{j+1} - s_j).

A subtask whose delay counts fully, with weighted work :math:`a w`, is then cheapest at one of the j
fastest points if :math:`a w > \sigma_j`: these *edges* decide who goes where, and the *level* :math:`\lambda`
who is offloaded. With U the cumulative use and C the cumulative capacity,

.. math::

   \sigma_j \leftarrow \sigma_j (U_j / C_j)^\alpha, \qquad \lambda \leftarrow \lambda (U_N / C_N)^\beta.

The level begins where, at equal prices of all points, as much is used as there is (by bisection), the edges
at half the quantiles of a w. For the channels of a radio the best price is known at given v: what
offloading is worth to the first device that gets none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from offloadlib.instances import LOCAL
from offloadlib.instances.arrays import Floats
from offloadlib.instances.structured.model import Places

from .dual import Dual, Seen
from .limits import PricedLimits
from .pricing import difference

CLOSE = 0.1
"""Relative width of the bracket of the level at which bisection stops."""

STEPS = 12
"""Of the bisection, at the most."""

BALANCED = 0.03
"""What may be used too much or too little in sum, relatively."""

TURNS = 5
"""Evaluations with rough prices."""

LARGEST_CHANGE = 4.0
"""Factor of one change, before the power is taken."""


class Tatonnement:
    """Prices that follow what is used.

    Parameters
    ----------
    limits
        The devices with which the prices begin.

    Attributes
    ----------
    balanced
        Whether about as much was used in sum as there is, when the prices last changed, or the level is 0.
    """

    def __init__(self, limits: PricedLimits) -> None:
        points, work = limits.instance.points, limits.instance.terms
        usable = np.flatnonzero(points.capacity > 0)
        self._order = usable[np.argsort(-points.cpu[usable], kind="stable")]
        self._steps = np.append(np.diff(1.0 / points.cpu[self._order]), 0.0)[: len(usable)]
        weighted = np.concatenate([(t.delay_weight[:, None] * t.group.work).ravel() for t in work])
        right = np.cumsum(limits.right[self._order])
        kept = right / min(len(weighted), right[-1]) if len(right) else right
        self._edges: Floats = 0.5 * np.quantile(weighted, np.clip(1.0 - kept, 0.0, 1.0))
        self._level, self._turn, self.balanced = 0.0, 0, False

    def begin_at(self, last: Tatonnement) -> bool:
        """Take over the prices of a similar instance; False where its points with room are others."""
        if not np.array_equal(self._order, last._order):
            return False
        self._level, self._edges = last._level, last._edges
        return True

    def vector(self, limits: PricedLimits) -> Floats:
        """The prices on capacities; those on channels are 0."""
        vector = np.zeros(len(limits))
        vector[self._order] = self._level + np.cumsum((self._edges * self._steps)[::-1])[::-1]
        return vector

    def find_level(self, limits: PricedLimits, late: Callable[[], bool], seen: Seen | None = None) -> None:
        """Bisection for the level at equal prices; ``seen`` is told of every evaluation."""
        edges, self._edges = self._edges, np.zeros(len(self._edges))
        low, high = 0.0, float(limits.local_cost.max())
        if self._excess(limits, seen) > 0:
            self._level = float(limits.local_cost.sum()) / limits.instance.num_subtasks
            for _ in range(STEPS):
                if self._excess(limits, seen) > 0:
                    low = self._level
                else:
                    high = self._level
                self._level = math.sqrt(low) * math.sqrt(high) if low > 0 else high / 4
                if high - low <= CLOSE * high or late():
                    break
        self._edges = edges

    def _excess(self, limits: PricedLimits, seen: Seen | None) -> float:
        found = answer(limits, self.vector(limits))
        if seen is not None:
            seen(*found)
        table = found[3]
        return float((limits.used(table) - limits.right)[self._order].sum())

    def follow(self, limits: PricedLimits, table: Places) -> None:
        """Change the prices by what decisions use."""
        used, right = (np.cumsum(of[self._order]) for of in (limits.used(table), limits.right))
        if not len(used):
            return
        change = np.clip(used / right, 1.0 / LARGEST_CHANGE, LARGEST_CHANGE)
        self._edges = np.minimum.accumulate(self._edges * change ** (0.7 / (1 + 0.15 * self._turn)))
        self._level *= change[-1] ** (0.5 / (1 + 0.3 * self._turn))
        self._turn += 1
        self.balanced = self._level == 0.0 or abs(change[-1] - 1.0) <= BALANCED


def rough(
    limits: PricedLimits, dual: Dual, late: Callable[[], bool], later: Callable[[], bool]
) -> Iterator[Places]:
    """Follow what is used for a few evaluations of all devices, which ``dual`` sees; yields decisions.

    Parameters
    ----------
    late, later
        Whether to make do with the level that there is, and with the prices.

    Raises
    ------
    OutOfTime
        If time is up for ``limits``.
    """
    prices = Tatonnement(limits)
    prices.find_level(limits, late, dual.seen)
    for _ in range(TURNS):
        found = answer(limits, prices.vector(limits))
        dual.seen(*found)
        yield found[3]
        prices.follow(limits, found[3])
        if later():
            return


def answer(limits: PricedLimits, vector: Floats) -> tuple[Floats, float, Floats, Places]:
    """All devices at some prices on capacities and the best prices on channels.

    Returns
    -------
    vector, bound, value, table
        The prices, and as :meth:`.limits.PricedLimits.lagrangian`.
    """
    vector = limits.rounded(vector)
    bound, value, table = limits.lagrangian(vector)
    points = limits.instance.num_points
    if len(limits) == points:
        return vector, bound, value, table
    gain = limits.local_cost - value
    for row in range(points, len(limits)):
        at = np.flatnonzero((limits.radio == row) & (gain > 0))
        room = int(limits.right[row])
        if len(at) > room:
            vector[row] = gain[at[np.argsort(-gain[at], kind="stable")[room]]]
    vector[points:] = limits.rounded(vector)[points:]
    on_air = np.flatnonzero((limits.radio >= 0) & (table != LOCAL).any(axis=1))
    value[on_air] += vector[limits.radio[on_air]]
    stays = on_air[value[on_air] >= limits.local_cost[on_air]]
    value[stays], table[stays] = limits.local_cost[stays], LOCAL
    return vector, difference(float(np.sum(value)), float(vector @ limits.right)), value, table
