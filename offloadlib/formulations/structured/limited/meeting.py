r"""Four changes at once that leave next to nothing of some limits: pairs that meet.

Where amounts are any numbers, of all sums of few changes hardly two are equal, and the more of them are
looked at, the nearer comes the best one to what is left. Four of n changes are some n^4 / 24, two of them
n^2 / 2: all pairs are put on a grid by what they take of the first two limits, and for each pair only those
are looked at that take what the first one leaves, up to what may be left over at the cost at hand (meet in
the middle: Horowitz, Sahni 1974). That gets smaller with each better sum.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types

from offloadlib.instances import Instance
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, named, of_format_2, subroutine, writable
from offloadlib.instances.loops import SMALLEST, order_of

from ..decomposition.tables import READ, READ_INT, READ_TABLE

SEVERAL = 16
"""Devices from which on there are so many changes that it pays."""

GRID = 2
"""Limits that the grid is about; more are looked at pair by pair."""

WIDER = 1.0 + 1e-9
"""Times that its cells are: the largest amounts are inside."""


def several(instance: Instance) -> bool:
    """Whether variants are sought and put together four at once."""
    return of_format_2(instance) and instance.num_devices >= SEVERAL


class Gaps(NamedTuple):
    """What is left of limits, and what a unit of it is worth, (k,) each."""

    left: Floats
    worth: Floats


class Candidates(NamedTuple):
    """Changes, of which each device takes one at the most: whose they are, what they cost (X,), and what
    they take of the limits (X, k)."""

    owner: Ints
    cost: Floats
    taken: Floats


@subroutine
def _same(candidates: Any, i: int, j: int) -> bool:
    """Whether two changes, if there are such, are the same device's."""
    return i >= 0 and j >= 0 and candidates.owner[i] == candidates.owner[j]


@subroutine
def _pairs(candidates: Any, most: float, one: Any, two: Any, value: Any) -> int:
    """List no change, single ones, and pairs of different devices, as far as they are of use: with the
    cheapest pair they cost less than ``most``."""
    order, n = order_of(candidates.cost, 0, len(candidates.cost)), len(candidates.cost)
    least = 0.0
    for x in range(min(n, 2)):
        least += min(candidates.cost[order[x]], 0.0)
    one[0], two[0], value[0], count = -1, -1, 0.0, 1
    for x in range(n):
        for y in range(-1, x):
            i, j = order[x], order[y] if y >= 0 else -1
            cost = candidates.cost[i] + (candidates.cost[j] if y >= 0 else 0.0)
            if cost + least < most and not _same(candidates, i, j):
                one[count], two[count], value[count] = i, j, cost
                count += 1
    return count


@subroutine
def _taken(candidates: Any, i: int, j: int, g: int) -> float:
    taken = 0.0
    if i >= 0:
        taken += candidates.taken[i, g]
    if j >= 0:
        taken += candidates.taken[j, g]
    return taken


@kernel(
    types.float64(
        *(named(Gaps, READ, READ), named(Candidates, READ_INT, READ, READ_TABLE)),
        *(types.float64, writable("int64")),
    ),
    several,
)
def meet(gaps: Any, candidates: Any, most: float, chosen: Any) -> float:
    """The best changes of different devices, four at the most, that take no more than there is.

    ``chosen`` (4,) are these changes, -1 for none. Returns what they come to, their cost and what is left
    over together; ``most`` where nothing comes to less, with no changes.
    """
    limits, n = len(gaps.left), len(candidates.cost)
    size = 1 + n * (n + 1) // 2
    one, two, value = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size)
    count = _pairs(candidates, most, one, two, value)
    order = order_of(value, 0, count)
    # The grid: what pairs take of each limit, in steps from the least on.
    side = int(math.sqrt(count)) if limits >= GRID else count
    use, low, step = np.empty((count, limits)), np.zeros(GRID), np.ones(GRID)
    for g in range(limits):
        least, high = np.inf, -np.inf
        for p in range(count):
            use[p, g] = _taken(candidates, one[p], two[p], g)
            least, high = min(least, use[p, g]), max(high, use[p, g])
        if g < GRID:
            low[g], step[g] = least, max((high - least) * WIDER / side, SMALLEST)
    cell, of_cell = np.empty(count, np.int64), np.empty(count, np.int64)
    cells = side * side if limits >= GRID else side
    start = np.zeros(cells + 2, np.int64)  # of cell c at c + 1, once all are in their cells
    for p in range(count):
        cell[p] = 0
        for g in range(min(limits, GRID)):
            cell[p] = cell[p] * side + int((use[p, g] - low[g]) / step[g])
        start[cell[p] + 1] += 1
    for c in range(cells + 1):
        start[c + 1] += start[c]
    for r in range(count - 1, -1, -1):  # from behind: the cheapest of a cell come first in it
        at = cell[order[r]] + 1
        start[at] -= 1
        of_cell[start[at]] = order[r]
    best = most
    for i in range(4):
        chosen[i] = -1
    near, far = np.zeros(GRID, np.int64), np.zeros(GRID, np.int64)
    for r in range(count):
        p = order[r]
        if 2.0 * value[p] >= best:  # the other pair is no cheaper
            break
        fits = True
        for g in range(min(limits, GRID)):
            there = gaps.left[g] - use[p, g] - low[g]
            spare = (best - 2.0 * value[p]) / max(gaps.worth[g], SMALLEST)
            nearest = max(there - spare, 0.0) / step[g]
            fits &= there >= 0.0 and nearest < side
            near[g], far[g] = int(min(nearest, side)), int(min(there / step[g], side - 1.0))
        if not fits:
            continue
        for row in range(near[0], far[0] + 1):
            begin, end = start[row + 1], start[row + 2]
            if limits >= GRID:
                begin, end = start[row * side + near[1] + 1], start[row * side + far[1] + 2]
            for y in range(begin, end):
                q = of_cell[y]
                total = value[p] + value[q]
                if value[q] < value[p] or total >= best:
                    continue
                for g in range(limits):
                    left = gaps.left[g] - use[p, g] - use[q, g]
                    total += gaps.worth[g] * left if left >= 0.0 else np.inf
                if total < best and not (
                    _same(candidates, one[p], one[q])
                    or _same(candidates, one[p], two[q])
                    or _same(candidates, two[p], one[q])
                    or _same(candidates, two[p], two[q])
                ):
                    best = total
                    chosen[0], chosen[1], chosen[2], chosen[3] = one[p], two[p], one[q], two[q]
    return best
