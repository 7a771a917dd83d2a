r"""Filling up limits: known columns are changed point by point, so that next to nothing is left over.

With prices p on limits q, a choice of columns that keeps all limits costs as much more than the bound as

.. math::

   \sum_m \bar c_m + \sum_l p_l (q_l - u_l)

its reduced costs and what is left over together: nothing else. There are many columns that cost nearly
nothing, but where limits are used in whole steps, a unit left over may be worth as much as the gap that is
asked for. So the limits of one point after the other are *closed*: of all changes of single devices that
leave closed limits as they are, those are taken together that leave least of this point's limits at the
least reduced cost, a knapsack over what is left of them, by dynamic programming. What the changes do to
limits that are still open does not matter, since it has its price. Where amounts are any numbers and all
variants of the choice are known, four changes are taken together instead (:mod:`.meeting`). The last points
are left with few changes; so a pass opens those that have something left and some others, in any order, and
what it comes to is kept where it is no worse (large neighbourhoods: Shaw 1998).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import (
    kernel,
    named,
    of_format_2,
    read_only,
    readable,
    subroutine,
    writable,
)

from ..decomposition.tables import READ, READ_INT, READ_TABLE
from .annealing import COLUMN_LISTS, Beginning, reduced
from .columns import Columns
from .lagrangian import Lagrangian
from .meeting import Candidates, Gaps, meet

CHOICE, VARIED_CHOICE = 12.0, 80.0
"""Columns for each device, in the mean: those of the least reduced costs; and where variants are known."""

MOST_CHANGES, MOST_MET = 500, 100
"""That are put together: those of the least reduced costs; and four at once (:mod:`.meeting`)."""

MOST_CELLS = 4096
"""Amounts of what is left that are told apart."""

REACH = 3.0
"""How far what is left may go astray on the way, relative to the mean amount in a column."""

OTHERS = 3
"""Changes that a change goes with there."""

FINEST = 80
"""Steps of that where amounts are not whole numbers."""

EXCESS, VARIED_EXCESS, LEAST_WORTH = 100.0, 1e5, 0.01
"""Times what it is worth, what is used beyond a limit costs; the same where variants are known, whose amounts
need not be whole, so that a hair is too dear; and what it is worth at the least, relative to a limit in the
mean."""

DISTURBED, MOST_OPENED = 4, 8
"""Points with something left over, and others, that a pass opens at the most."""

TOGETHER = 2
"""Limits up to which those of several points are closed at once."""

PATIENCE = 10
"""Passes in a row, for each point, that gain nothing: all points are opened, from the first choice on."""

STARTS = 10
"""Times that this is done."""

PARTS = 2.0**10
"""Of a unit: amounts that are multiples of such a part are steps, and binary64 adds them up exactly."""

LARGEST = 2.0**40
"""Amounts from which on steps are not sought."""

HAIR = 1e-12
"""Relative: by so much limits are tightened where amounts are not whole numbers."""

BITS = 64
"""In a word."""

_OPEN, _CLOSED, _FREE = 0, 1, 2
"""What becomes of a limit: it takes any change, none, or what there is room for."""


class Changes(NamedTuple):
    """Other columns for devices, by ascending device: which, at what cost, and what they take (X, k)."""

    column: Ints
    cost: Floats
    taken: Floats


_CHANGES = named(Changes, writable("int64"), writable("float64"), writable("float64", 2))


@subroutine
def _keeps(moves: Any, state: Any, left: Any, delta: Any, column: int) -> bool:
    """Whether a change may be taken, by the limits that one of its columns uses."""
    for i in range(moves.start[column], moves.start[column + 1]):
        x = moves.limit[i]
        if (state[x] == _CLOSED and delta[x] != 0.0) or (
            state[x] == _FREE and delta[x] > 0.0 and delta[x] > left[x]
        ):
            return False
    return True


@kernel(
    types.int64(
        *(COLUMN_LISTS, readable("uint64", 2), READ_INT, READ_INT, READ_INT, READ, types.float64),
        *(writable("float64"), _CHANGES),
    ),
    of_format_2,
)
def list_changes(
    moves: Any,
    uses: Any,
    state: Any,
    rows: Any,
    chosen: Any,
    left: Any,
    most: float,
    delta: Any,
    changes: Any,
) -> int:
    """List the changes of a choice that cost less than ``most`` and that limits (L,) in some states take, the
    cheapest of those of a device that take the same of some limits; and say how many there are.

    Columns of a device are ordered by cost. ``uses`` (P, .) are the limits that columns use, a bit for each;
    ``delta`` (L,) is 0 before and after.
    """
    words = uses.shape[1]
    closed, wanted = np.zeros(words, np.uint64), np.zeros(words, np.uint64)
    for x in range(len(state)):
        if state[x] == _CLOSED:
            closed[x // BITS] |= np.uint64(1) << np.uint64(x % BITS)
    for g in range(len(rows)):
        wanted[rows[g] // BITS] |= np.uint64(1) << np.uint64(rows[g] % BITS)
    n = 0
    for d in range(len(moves.device)):
        m = moves.device[d]
        old, begin = chosen[m], n
        for new in range(moves.first[m], moves.first[m + 1]):
            cost = moves.cost[new] - moves.cost[old]
            if cost >= most:  # so do all after it
                break
            open_, worth = new != old, cost < 0.0
            for w in range(words):
                open_ &= (uses[old, w] ^ uses[new, w]) & closed[w] == 0
                worth |= (uses[old, w] | uses[new, w]) & wanted[w] != 0
            if not (open_ and worth):
                continue
            for i in range(moves.start[old], moves.start[old + 1]):
                delta[moves.limit[i]] -= moves.amount[i]
            for i in range(moves.start[new], moves.start[new + 1]):
                delta[moves.limit[i]] += moves.amount[i]
            if _keeps(moves, state, left, delta, old) and _keeps(moves, state, left, delta, new):
                some = False
                for g in range(len(rows)):
                    changes.taken[n, g] = delta[rows[g]]
                    some |= delta[rows[g]] != 0.0
                at = n
                for y in range(begin, n):
                    same = True
                    for g in range(len(rows)):
                        same &= changes.taken[y, g] == changes.taken[n, g]
                    if same:
                        at = y
                if (some or cost < 0.0) and (at == n or cost < changes.cost[at]):
                    changes.column[at], changes.cost[at] = new, cost
                    if at == n:
                        n += 1
            for i in range(moves.start[old], moves.start[old + 1]):
                delta[moves.limit[i]] = 0.0
            for i in range(moves.start[new], moves.start[new + 1]):
                delta[moves.limit[i]] = 0.0
    return n


class Knapsack(NamedTuple):
    """What is left of k limits, and what it is worth.

    Attributes
    ----------
    left, worth, excess
        (k,) how much is left; what a unit left over costs, and one too few.
    low, unit, cells
        (k,) where the first cell of each begins, the width of cells, and how many there are.
    """

    left: Floats
    worth: Floats
    excess: Floats
    low: Floats
    unit: Floats
    cells: Ints


_KNAPSACK = named(Knapsack, READ, READ, READ, READ, READ, READ_INT)


class Cells(NamedTuple):
    """Of the cells (S,), before and after a device: the least cost, what is left exactly (2, S, k); and by
    which change of each device it was reached (D, S), from which cell; -1: none."""

    cost: Floats
    left: Floats
    change: NDArray[np.int16]
    before: NDArray[np.int16]


_CELLS = named(
    *(Cells, writable("float64", 2), writable("float64", 3), writable("int16", 2), writable("int16", 2))
)


@kernel(types.float64(_KNAPSACK, READ_INT, READ, READ_TABLE, _CELLS, writable("int64")), of_format_2)
def combine(knapsack: Any, start: Any, cost: Any, taken: Any, table: Any, chosen: Any) -> float:
    """Choose at most one change of each device (D,), -1 for none; returns what it comes to.

    Those of device d are the ones from ``start[d]`` on, by cost (X,) and what they take (X, k).
    """
    limits, cells = len(knapsack.left), table.cost.shape[1]
    for s in range(cells):
        table.cost[0, s] = np.inf
    at = 0
    for g in range(limits):
        at = at * knapsack.cells[g] + int((knapsack.left[g] - knapsack.low[g]) / knapsack.unit[g])
    table.cost[0, at] = 0.0
    for g in range(limits):
        table.left[0, at, g] = knapsack.left[g]
    now = 0
    for d in range(len(chosen)):
        then = 1 - now
        for s in range(cells):
            table.change[d, s] = -1
            table.cost[then, s] = table.cost[now, s]
            for g in range(limits):
                table.left[then, s, g] = table.left[now, s, g]
        for y in range(start[d], start[d + 1]):
            for s in range(cells):
                value = table.cost[now, s] + cost[y]
                if value == np.inf:
                    continue
                at = 0
                for g in range(limits):
                    there = table.left[now, s, g] - taken[y, g] - knapsack.low[g]
                    cell = int(there / knapsack.unit[g])
                    if there < 0.0 or cell >= knapsack.cells[g]:
                        at = -1
                        break
                    at = at * knapsack.cells[g] + cell
                if at >= 0 and value < table.cost[then, at]:
                    table.cost[then, at] = value
                    table.change[d, at], table.before[d, at] = y - start[d], s
                    for g in range(limits):
                        table.left[then, at, g] = table.left[now, s, g] - taken[y, g]
        now = then
    least, at = np.inf, 0
    for s in range(cells):
        value = table.cost[now, s]
        if value == np.inf:
            continue
        for g in range(limits):
            left = table.left[now, s, g]
            value += knapsack.worth[g] * left if left >= 0.0 else -knapsack.excess[g] * left
        if value < least:
            least, at = value, s
    for d in range(len(chosen) - 1, -1, -1):
        chosen[d] = -1
        if table.change[d, at] >= 0:
            chosen[d] = start[d] + table.change[d, at]
            at = table.before[d, at]
    return least


def filled(
    lagrangian: Lagrangian,
    columns: Columns,
    prices: Floats,
    chosen: Ints,
    enough: float,
    late: Callable[[], bool],
    seed: int = 0,
    varied: bool = False,
) -> Ints | None:
    """The best choice found that keeps all limits in binary64, (M,) columns; None where there is none, or
    where scarce limits are used in any amounts and variants are not known.

    Parameters
    ----------
    lagrangian, columns
        The limits and the decisions.
    prices
        (L,) near the best ones.
    chosen
        (M,) columns to begin with, which may break limits.
    enough
        A cost that is low enough.
    late
        Asked again and again whether to end.
    seed
        For the order of the points.
    varied
        Whether all variants of the choice are known (:mod:`.variants`).
    """
    filling = Filling(lagrangian, columns, prices, chosen, varied)
    first, draw = filling.state(filling.begun.chosen), np.random.default_rng(seed)
    points = [rows for rows in map(partial(filling.scarce, first), filling.points) if len(rows)]
    if not (varied or all(filling.whole[rows].all() for rows in points)):
        return None
    best = first
    for _ in range(STARTS if points else 0):
        here, idle, order = first, 0, [points[i] for i in draw.permutation(len(points))]
        while idle < PATIENCE * len(points) and not late():
            found = filling.passed(here, order, late)
            idle = 0 if found.value < here.value else idle + 1
            if found.value <= here.value:
                here = found
            if here.value < best.value and (filling.cost(here) < math.inf or filling.cost(best) == math.inf):
                best = here
            if filling.cost(best) <= enough:
                break
            order = _opened(filling, here, points, draw)
        if late() or filling.cost(best) <= enough:
            break
    return filling.begun.some[best.chosen] if filling.cost(best) < math.inf else None


def _together(order: list[Ints]) -> Iterator[Ints]:
    """Limits that are closed at once: those of a point, or of several that have few."""
    several: list[Ints] = []
    for rows in order:
        if several and sum(map(len, several)) + len(rows) > TOGETHER:
            yield np.concatenate(several)
            several = []
        several.append(rows)
    if several:
        yield np.concatenate(several)


class Filled(NamedTuple):
    """A choice (M,), what it leaves of each limit (L,), and what it comes to beyond the bound."""

    chosen: Ints
    left: Floats
    value: float


def _opened(filling: Filling, here: Filled, points: list[Ints], draw: np.random.Generator) -> list[Ints]:
    """Points with something left over, or too little, and then some others, in any order."""
    order = [points[i] for i in draw.permutation(len(points))]
    disturbed = [rows for rows in order if filling.disturbed(here, rows)][:DISTURBED]
    others = [rows for rows in order if not any(rows is one for one in disturbed)]
    return disturbed + others[: int(draw.integers(2, MOST_OPENED))]


class Filling:
    """The columns of least reduced costs, and the points whose limits are closed one after the other.

    The parameters are those of :func:`filled`.

    Attributes
    ----------
    begun
        The columns.
    points
        The limits of each point, as numbers among the finite ones; shared ones and totals are on their own.
    whole
        (L,) whether a limit is used in whole steps.
    """

    def __init__(
        self, lagrangian: Lagrangian, columns: Columns, prices: Floats, chosen: Ints, varied: bool = False
    ) -> None:
        choice = VARIED_CHOICE if varied else CHOICE
        self.begun = begun = Beginning.of(lagrangian, columns, prices, chosen, choice)
        self._varied = varied
        finite, use = lagrangian.finite, begun.use
        self._cost, self._price = columns.cost[begun.some], prices[finite]
        right = lagrangian.right[finite]
        by_limit = csc_array(use)
        mean = by_limit.sum(axis=0) / np.maximum(np.diff(by_limit.indptr), 1)
        self._reach: Floats = REACH * np.where(mean > 0, mean, 1.0)
        self._unit, self.whole = _steps(by_limit, self._reach)
        self._right: Floats = np.where(
            self.whole, np.floor(right / self._unit) * self._unit, right * (1.0 - HAIR)
        )
        worth = float(self._price @ right) / max(len(finite), 1)
        least = LEAST_WORTH * worth / np.where(right > 0, right, 1.0)
        self._excess: Floats = (VARIED_EXCESS if varied else EXCESS) * np.maximum(self._price, least)
        self._moves = begun.moves(reduced(columns, prices)[begun.some], self._right, self._excess)
        self._uses, self._owner = read_only(_bits(use)), columns.device[begun.some]
        named = [lagrangian.limits.names[i][:2] for i in finite.tolist()]
        apart: dict[tuple[str, ...], list[int]] = {}
        for row, name in enumerate(named):
            apart.setdefault(name if name[0] in ("limits", "totals") else name[1:], []).append(row)
        self.points = [np.array(rows) for rows in apart.values()]
        self._delta = np.zeros(len(finite))
        self._rooms: dict[int, Changes] = {}

    def scarce(self, state: Filled, rows: Ints) -> Ints:
        """Those of some limits that have a price, or are broken."""
        return rows[(self._price[rows] > 0) | (state.left[rows] < 0)]

    def disturbed(self, state: Filled, rows: Ints) -> bool:
        """Whether there is more left of some of these limits than there need be, or less than nothing."""
        left = state.left[rows]
        return bool(((left < 0) | ((left >= self._unit[rows]) & (self._price[rows] > 0))).any())

    def cost(self, state: Filled) -> float:
        """Of a choice; infinite where it breaks a limit."""
        return float(self._cost[state.chosen].sum()) if (state.left >= 0).all() else math.inf

    def state(self, chosen: Ints) -> Filled:
        """What a choice comes to."""
        left: Floats = self._right - np.asarray(self.begun.use[chosen].sum(axis=0), dtype=np.float64)
        over, under = np.maximum(left, 0.0), np.maximum(-left, 0.0)
        value = self._moves.cost[chosen].sum() + self._price @ over + self._excess @ under
        return Filled(chosen, left, float(value))

    def passed(self, state: Filled, order: list[Ints], late: Callable[[], bool]) -> Filled:
        """Open some points, and close them in this order."""
        how = np.where(self._price > 0, _CLOSED, _FREE)
        for rows in order:
            how[rows] = _OPEN
        for rows in _together(order):
            if late():
                break
            state = self._closed(state, how, rows)
            how[rows] = np.where(self._price[rows] > 0, _CLOSED, _FREE)
        return state

    def _closed(self, state: Filled, how: Ints, rows: Ints) -> Filled:
        """The changes that leave least of some limits: among variants four, where so few keep them."""
        left, saved = state.left[rows], self._moves.cost[state.chosen]
        most = float(self._price[rows] @ np.maximum(left, 0.0) + self._excess[rows] @ np.maximum(-left, 0.0))
        if self._varied and not self.whole[rows].all():
            others = float(np.sort(saved)[-OTHERS:].sum())
            new = self._met(self._listed(state, how, rows, most + others, MOST_MET), left, rows, most)
            if len(new) or (left >= 0).all():
                return self._changed(state, new)
        changes = self._listed(state, how, rows, most + float(saved.sum()), MOST_CHANGES)
        return self._changed(state, self._combined(changes, left, rows))

    def _listed(self, state: Filled, how: Ints, rows: Ints, below: float, most: int) -> Changes:
        """The cheapest changes that keep closed limits, at a cost ``below``; ``most`` of them at the most."""
        room = self._room(len(rows))
        given = *map(read_only, (how, rows, state.chosen, state.left)), below, self._delta, room
        count = list_changes(self._moves, self._uses, *given)
        some = np.arange(count)
        if count > most:
            some = np.sort(np.argpartition(room.cost[:count], most)[:most])
        return Changes(room.column[some], room.cost[some], room.taken[some])

    def _met(self, changes: Changes, left: Floats, rows: Ints, most: float) -> Ints:
        """The columns of the best four changes, as far as they come to less than ``most``."""
        chosen = np.empty(4, np.int64)
        gaps = Gaps(*map(read_only, (left - HAIR * self._right[rows], self._price[rows])))
        candidates = self._owner[changes.column], changes.cost, changes.taken
        meet(gaps, Candidates(*map(read_only, candidates)), most, chosen)
        new: Ints = changes.column[chosen[chosen >= 0]]
        return new

    def _combined(self, changes: Changes, left: Floats, rows: Ints) -> Ints:
        """The columns of any number of changes, the best by dynamic programming over what is left."""
        owner, start = np.unique(self._owner[changes.column], return_index=True)
        taken = np.full(len(owner), -1)
        knapsack = self._knapsack(left, rows)
        cells = int(np.prod(knapsack.cells))
        table = Cells(
            np.empty((2, cells)),
            np.empty((2, cells, len(rows))),
            *(np.empty((len(owner), cells), np.int16) for _ in range(2)),
        )
        combine(
            Knapsack(*map(read_only, knapsack)),
            *map(read_only, (np.append(start, len(changes.column)), changes.cost, changes.taken)),
            *(table, taken),
        )
        new: Ints = changes.column[taken[taken >= 0]]
        return new

    def _changed(self, state: Filled, new: Ints) -> Filled:
        """What becomes of a choice by other columns of some devices."""
        if not len(new):
            return state
        chosen = state.chosen.copy()
        chosen[self._owner[new]] = new
        return self.state(chosen)

    def _room(self, size: int) -> Changes:
        """For changes and what they take of so many limits."""
        if size not in self._rooms:
            rows = len(self.begun.some)
            self._rooms[size] = Changes(np.empty(rows, np.int64), np.empty(rows), np.empty((rows, size)))
        return self._rooms[size]

    def _knapsack(self, left: Floats, rows: Ints) -> Knapsack:
        """The knapsack of some limits, with cells that are as fine as there is room for."""
        reach, unit = self._reach[rows], self._unit[rows].copy()
        low = np.minimum(left, 0.0) - reach
        wide = np.maximum(left, 0.0) + reach - low
        while np.prod(wide // unit + 2) > MOST_CELLS:
            unit[np.argmax(wide / unit)] *= 2.0
        cells = (wide // unit + 2).astype(np.int64)
        # Whole steps are in the middle of cells.
        return Knapsack(left, self._price[rows], self._excess[rows], low - 0.5 * unit, unit, cells)


def _bits(use: csr_array) -> NDArray[np.uint64]:
    """(P, .) which limits (L,) are used, a bit for each."""
    found = np.zeros((use.shape[0], -(-use.shape[1] // BITS)), np.uint64)
    row = np.repeat(np.arange(use.shape[0]), np.diff(use.indptr))
    bit = np.uint64(1) << (use.indices % BITS).astype(np.uint64)
    np.bitwise_or.at(found, (row, use.indices // BITS), bit)
    return found


def _steps(use: csc_array, reach: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The steps (L,) in which limits are used, and whether all amounts are so many whole ones."""
    unit, whole = reach / FINEST, np.zeros(len(reach), np.bool_)
    for row, (begin, end) in enumerate(pairwise(use.indptr.tolist())):
        parts = use.data[begin:end] * PARTS
        if len(parts) and (parts == np.rint(parts)).all() and parts.max() < LARGEST * PARTS:
            unit[row], whole[row] = np.gcd.reduce(parts.astype(np.int64)) / PARTS, True
    return unit, whole
