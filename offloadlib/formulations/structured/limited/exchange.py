"""Exchanges over known columns: two devices change at once, so that what one takes the other gives back.

Near the best prices nearly every limit is used up, and a device that changes alone takes more of a limit
than there is, or leaves some of it free. A second change, which gives back of one limit that the first one
takes more of and takes of one that it leaves, costs little beyond: annealing with such pairs goes on at
temperatures at which single changes are frozen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from scipy.sparse import csc_array

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

from .annealing import COLUMN_LISTS, SCHEDULE, Beginning, Schedule, reduced, shifted
from .columns import Columns
from .lagrangian import Lagrangian

CHOICE = 6.0
"""Columns for each device, in the mean: those of the least reduced costs."""

PENALTY, DEARER = 3.0, 3.0
"""Times the price, what is used beyond a limit costs; and times that at the end."""

BIAS = 5.0
"""Times as much as they are, reduced costs count: there are enough columns that cost nearly nothing."""

HOT, COLD = 0.2, 0.003
"""Temperatures at the beginning and at the end, relative to what an entry of a column is worth."""

RATE = 1e6
"""Changes in a second, roughly."""

MOST = 40
"""Changes for each pair of devices."""

_TRIES = 12
"""Columns that are looked at for the second change."""

_LOOK, _LOOKED = 64, 16
"""Changes between two looks at the choice, at the least, and devices for each of them: a look costs as much
as there are devices."""


class Users(NamedTuple):
    """Of each column its device, (P,); and the columns that use a limit, (L + 1,) and (.,)."""

    device: Ints
    start: Ints
    column: Ints


_INT = readable("int64")
USERS = named(Users, _INT, _INT, _INT)


@subroutine
def _amount(moves: Any, column: int, limit: int) -> float:
    """What a column uses of a limit."""
    for i in range(moves.start[column], moves.start[column + 1]):
        if moves.limit[i] == limit:
            amount: float = moves.amount[i]
            return amount
    return 0.0


@subroutine
def _drawn(state: Any, count: int) -> int:
    """A random number below a count; the state (1,) moves on."""
    state[0] = shifted(state[0])
    return int(np.int64((state[0] >> np.uint64(11)) % np.uint64(count)))


@subroutine
def _count(moves: Any, old: int, new: int, delta: Any, touched: Any, n: int) -> int:
    """Count what a change does to limits; those that it touches are listed, maybe twice."""
    for i in range(moves.start[old], moves.start[old + 1]):
        delta[moves.limit[i]] -= moves.amount[i]
        touched[n] = moves.limit[i]
        n += 1
    for i in range(moves.start[new], moves.start[new + 1]):
        delta[moves.limit[i]] += moves.amount[i]
        touched[n] = moves.limit[i]
        n += 1
    return n


@kernel(
    types.float64(
        *(COLUMN_LISTS, USERS, SCHEDULE),
        *(writable("int64"), writable("int64"), writable("float64"), STOPPED),
    ),
    of_format_2,
)
def exchange(moves: Any, users: Any, schedule: Any, chosen: Any, best: Any, used: Any, stopped: Any) -> float:
    """Change ``chosen`` (M,) again and again, as :func:`.annealing.anneal` does, most often in pairs.

    Returns what the best choice that keeps all limits costs, relative to that at the beginning;
    infinite where there is none.
    """
    limits, devices = len(moves.right), len(moves.device)
    state = np.empty(1, np.uint64)
    state[0] = np.uint64(schedule.seed * 2 + 1)
    longest = 0
    for p in range(len(moves.cost)):
        longest = max(longest, moves.start[p + 1] - moves.start[p])
    touched, delta, excess = np.empty(4 * longest, np.int64), np.zeros(limits), np.zeros(limits)
    cost, least, heat, harder = 0.0, np.inf, schedule.hot, 1.0
    look = max(_LOOK, devices // _LOOKED)
    for step in range(schedule.steps + 1):
        if step % look == 0:
            within = True
            for x in range(limits):
                within &= used[x] <= moves.right[x]
            if within and cost < least:
                least = cost
                for m in range(len(chosen)):
                    best[m] = chosen[m]
            if stopped[0]:
                break
            done = step / schedule.steps
            heat, harder = schedule.hot * (schedule.cold / schedule.hot) ** done, DEARER**done
        m = moves.device[_drawn(state, devices)]
        old, size = chosen[m], moves.first[m + 1] - moves.first[m]
        new = moves.first[m] + _drawn(state, size - 1)
        if new >= old:
            new += 1
        n = _count(moves, old, new, delta, touched, 0)
        change = moves.cost[new] - moves.cost[old]
        second = before = other = -1
        if _drawn(state, 10) > 0:
            # One of the limits of which more is used, and one of which less is.
            more, less, risen, fallen = -1, -1, 0, 0
            for i in range(n):
                x = touched[i]
                if delta[x] > 0.0:
                    risen += 1
                    if _drawn(state, risen) == 0:
                        more = x
                elif delta[x] < 0.0:
                    fallen += 1
                    if _drawn(state, fallen) == 0:
                        less = x
            for _ in range(_TRIES):
                if less >= 0:
                    column = users.column[
                        users.start[less] + _drawn(state, users.start[less + 1] - users.start[less])
                    ]
                else:
                    column = _drawn(state, len(moves.cost))
                other = users.device[column]
                before = chosen[other]
                if other == m or before == column:
                    continue
                if less >= 0 and _amount(moves, before, less) >= _amount(moves, column, less):
                    continue
                if more >= 0 and _amount(moves, before, more) <= _amount(moves, column, more):
                    continue
                second = column
                break
            if second >= 0:
                n = _count(moves, before, second, delta, touched, n)
                change += moves.cost[second] - moves.cost[before]
        beyond = 0.0
        for i in range(n):
            x = touched[i]
            over = max(used[x] + delta[x] - moves.right[x], 0.0) - max(used[x] - moves.right[x], 0.0)
            # A limit may be listed more than once.
            beyond += moves.penalty[x] * (over - excess[x])
            excess[x] = over
        total = change + harder * beyond
        uniform = _drawn(state, 1 << 52) * 2.0**-52
        taken = total <= 0.0 or uniform < np.exp(-total / heat)
        for i in range(n):
            x = touched[i]
            if taken:
                used[x] += delta[x]
            delta[x] = excess[x] = 0.0
        if taken:
            chosen[m] = new
            cost += change
            if second >= 0:
                chosen[other] = second
    return least


def exchanged(
    lagrangian: Lagrangian,
    columns: Columns,
    prices: Floats,
    chosen: Ints,
    seconds: float,
    seed: int = 0,
) -> Ints | None:
    """The best choice found that keeps all limits in binary64, (M,) columns; None where there is none.

    The parameters are those of :func:`.annealing.annealed`.
    """
    begun, devices = Beginning.of(lagrangian, columns, prices, chosen, CHOICE), len(chosen)
    some, use = begun.some, begun.use
    right, price = lagrangian.right[lagrangian.finite], prices[lagrangian.finite]
    entry = float(price @ right) / max(use.nnz / len(some) * devices, 1.0)
    if not len(begun.several) or entry <= 0:
        return None
    cost = columns.cost[some] + (BIAS - 1.0) * reduced(columns, prices)[some]
    penalty = PENALTY * np.maximum(price, entry * 1e-3 / np.where(right > 0, right, 1.0))
    moves = begun.moves(cost, right, penalty)
    by_limit = csc_array(use)
    start, column = by_limit.indptr.astype(np.int64), by_limit.indices.astype(np.int64)
    users = Users(read_only(columns.device[some]), read_only(start), read_only(column))
    state, used = begun.chosen, begun.used
    best = state.copy()
    changes = max(int(min(seconds * RATE, MOST * devices**2)), 1)
    schedule = Schedule(changes, HOT * entry, COLD * entry, seed)
    stopped = read_only(lagrangian.stopped)
    found = exchange(moves, users, schedule, state, best, used, stopped)
    return some[best] if found < np.inf else None
