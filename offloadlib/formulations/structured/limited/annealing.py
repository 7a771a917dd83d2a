r"""Annealing over known columns: one device after the other changes its column, and cold decides.

What counts is the sum of costs and a penalty on what is used beyond each limit, which is a few times the
limit's price: nearly optimal solutions leave next to nothing free of what has a price, and only many small
changes find them (Kirkpatrick, Gelatt, Vecchi 1983). A change takes time in proportion to what two columns
use.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from scipy.sparse import csr_array

from offloadlib.instances.alarm import STOPPED
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

from .columns import Columns
from .lagrangian import Lagrangian

PENALTY, LEAST_PENALTY = 1.5, 0.01
"""Times the price; and at the least, times what all limits are worth in the mean."""

CHOICE = 4.5
"""Columns for each device, in the mean: those of the least reduced costs."""

HOT, COLD = 0.3, 0.01
"""Temperatures at the beginning and at the end, relative to the largest reduced cost of these."""

RATE = 4e6
"""Changes in a second, roughly."""

MOST_SWEEPS = 20_000
"""Of all devices."""

LOOKS = 16
"""Times in a sweep that the choice is looked at."""

_LAST_PENALTY = 10.0
"""Times the penalty at the end."""


class ColumnLists(NamedTuple):
    """The columns of the devices, ordered by device.

    Attributes
    ----------
    device
        (D,) those that have more than one column.
    first
        (M + 1,) where the columns of each device begin.
    cost
        (P,)
    start, limit, amount
        (P + 1,), (.,), (.,) what each uses of which limits.
    right, penalty
        (L,) the limits, and what a unit beyond them costs.
    """

    device: Ints
    first: Ints
    cost: Floats
    start: Ints
    limit: Ints
    amount: Floats
    right: Floats
    penalty: Floats


_INT, _READ = readable("int64"), readable("float64")

COLUMN_LISTS = named(ColumnLists, _INT, _INT, _READ, _INT, _INT, _READ, _READ, _READ)


class Schedule(NamedTuple):
    """Steps (sweeps over the devices, or changes), and the temperatures at which they begin and end."""

    steps: int
    hot: float
    cold: float
    seed: int


SCHEDULE = named(Schedule, types.int64, types.float64, types.float64, types.int64)


@subroutine
def shifted(state: Any) -> Any:
    """The next state of a random generator (Marsaglia's xorshift): its upper 53 bits are a random number."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    return state ^ (state << np.uint64(17))


@kernel(
    types.float64(COLUMN_LISTS, SCHEDULE, writable("int64"), writable("int64"), writable("float64"), STOPPED),
    of_format_2,
)
def anneal(moves: Any, schedule: Any, chosen: Any, best: Any, used: Any, stopped: Any) -> float:
    """Change ``chosen`` (M,) again and again; ``best`` is the cheapest choice seen that keeps all limits.

    Returns what that costs, relative to the choice at the beginning; infinite where there is none. ``used``
    (L,) goes with the choice.
    """
    devices, limits = len(moves.device), len(moves.right)
    cost, least, harder = 0.0, np.inf, 1.0
    state = np.uint64(schedule.seed * 2 + 1)
    each = max(devices // LOOKS, 1)
    for sweep in range(schedule.steps * LOOKS + 1):
        within = True
        for x in range(limits):
            within &= used[x] <= moves.right[x]
        if within and cost < least:
            least = cost
            for m in range(len(chosen)):
                best[m] = chosen[m]
        if sweep == schedule.steps * LOOKS or stopped[0]:
            break
        done = sweep / (schedule.steps * LOOKS)
        heat = schedule.hot * (schedule.cold / schedule.hot) ** done
        harder = _LAST_PENALTY**done
        for _ in range(each):
            state = shifted(state)
            draw = state >> np.uint64(11)
            m = moves.device[np.int64(draw % np.uint64(devices))]
            size = moves.first[m + 1] - moves.first[m]
            old = chosen[m]
            new = moves.first[m] + np.int64((draw // np.uint64(devices)) % np.uint64(size - 1))
            if new >= old:
                new += 1
            change, beyond = moves.cost[new] - moves.cost[old], 0.0
            for i in range(moves.start[old], moves.start[old + 1]):
                x = moves.limit[i]
                before = max(used[x] - moves.right[x], 0.0)
                used[x] -= moves.amount[i]
                beyond += moves.penalty[x] * (max(used[x] - moves.right[x], 0.0) - before)
            for i in range(moves.start[new], moves.start[new + 1]):
                x = moves.limit[i]
                before = max(used[x] - moves.right[x], 0.0)
                used[x] += moves.amount[i]
                beyond += moves.penalty[x] * (max(used[x] - moves.right[x], 0.0) - before)
            total = change + harder * beyond
            state = shifted(state)
            uniform = np.float64(state >> np.uint64(11)) * 2.0**-53
            if total <= 0.0 or (heat > 0.0 and uniform < np.exp(-total / heat)):
                chosen[m] = new
                cost += change
                continue
            for i in range(moves.start[new], moves.start[new + 1]):
                used[moves.limit[i]] -= moves.amount[i]
            for i in range(moves.start[old], moves.start[old + 1]):
                used[moves.limit[i]] += moves.amount[i]
    return least


def annealed(
    lagrangian: Lagrangian,
    columns: Columns,
    prices: Floats,
    chosen: Ints,
    seconds: float,
    seed: int = 0,
    most: int = MOST_SWEEPS,
) -> Ints | None:
    """The cheapest choice found that keeps all limits in binary64, (M,) columns; None where there is none.

    Parameters
    ----------
    lagrangian, columns
        The limits and the decisions.
    prices
        (L,) near the best ones.
    chosen
        (M,) columns to begin with.
    seconds
        Time for it, roughly.
    seed
        The same seed and seconds give the same choice.
    most
        Sweeps, whatever the seconds.
    """
    begun, devices = Beginning.of(lagrangian, columns, prices, chosen, CHOICE), len(chosen)
    size = min(int(CHOICE * devices), len(columns) - 1)
    if not len(begun.several):
        return None
    finite = lagrangian.finite
    right, price = lagrangian.right[finite], prices[finite]
    worth = float(price @ right) / max(len(finite), 1) or float(np.abs(columns.cost[chosen]).mean())
    least = LEAST_PENALTY * worth / np.where(right > 0, right, 1.0)
    moves = begun.moves(columns.cost[begun.some], right, np.maximum(PENALTY * price, least))
    state, used = begun.chosen, begun.used
    best = state.copy()
    heat = float(np.partition(reduced(columns, prices), size)[size]) or 1.0
    sweeps = min(max(int(seconds * RATE / len(begun.several)), 1), most)
    schedule = Schedule(sweeps, HOT * heat, COLD * heat, seed)
    found = anneal(moves, schedule, state, best, used, read_only(lagrangian.stopped))
    return begun.some[best] if found < np.inf else None


def reduced(columns: Columns, prices: Floats) -> Floats:
    """(P,) what columns cost with prices beyond the least of their device."""
    priced = columns.cost + columns.use @ prices
    least = np.full(int(columns.device.max()) + 1, np.inf)
    np.minimum.at(least, columns.device, priced)
    beyond: Floats = priced - least[columns.device]
    return beyond


def cheapest(columns: Columns, priced: Floats) -> Ints:
    """(M,) the column of each device that costs least, of (P,) costs; each device has one."""
    order = np.lexsort((priced, columns.device))
    device = columns.device[order]
    return order[np.searchsorted(device, np.arange(device[-1] + 1))]


class Beginning(NamedTuple):
    """The columns that a choice is changed among, ordered by device and reduced costs, and the choice to
    begin with.

    Attributes
    ----------
    some
        (P,) which they are.
    several, first
        (D,), (M + 1,) as :class:`ColumnLists` has them.
    use
        (P, L) of the limits that there are.
    chosen, used
        (M,) the choice, as numbers among them, and (L,) what it uses.
    """

    some: Ints
    several: Ints
    first: Ints
    use: csr_array
    chosen: Ints
    used: Floats

    @classmethod
    def of(
        cls, lagrangian: Lagrangian, columns: Columns, prices: Floats, chosen: Ints, choice: float
    ) -> Beginning:
        """The columns of least reduced costs, so many for each device in the mean, and those chosen."""
        beyond = reduced(columns, prices)
        size = int(choice * len(chosen))
        kept = np.ones(len(columns), dtype=np.bool_)
        if size < len(columns):
            kept = beyond <= np.partition(beyond, size)[size]
        kept[chosen] = True
        some = np.flatnonzero(kept)
        some = some[np.lexsort((beyond[some], columns.device[some]))]
        first = np.searchsorted(columns.device[some], np.arange(len(chosen) + 1))
        position = np.zeros(len(columns), dtype=np.int64)
        position[some] = np.arange(len(some))
        use, state = columns.use[some][:, lagrangian.finite], position[chosen]
        used = np.asarray(use[state].sum(axis=0), dtype=np.float64)
        return cls(some, np.flatnonzero(np.diff(first) > 1), first, use, state, used)

    def moves(self, cost: Floats, right: Floats, penalty: Floats) -> ColumnLists:
        """The moves at such costs, under these limits."""
        return ColumnLists(
            *map(read_only, (self.several, self.first, cost)),
            *map(read_only, (self.use.indptr.astype(np.int64), self.use.indices.astype(np.int64))),
            *map(read_only, (self.use.data, right, penalty)),
        )
