r"""Large neighbourhoods, searched exactly: some devices decide anew, while all others stay.

Where few limits are used by all devices in any amounts, as in knapsacks of many dimensions, a better choice
differs from the incumbent in ten or twenty devices at once, and changes of one or two never come there. What
the others leave, q, is divided among a set S of devices anew, by depth-first search over their columns p.
With prices λ on q, tuned for just these devices, a choice of theirs costs

.. math::

   \sum_{m \in S} \min_p (c_p + \lambda u_p) - \lambda q + \sum_{m \in S} \bar c_{p(m)}
   + \lambda \Bigl(q - \sum_{m \in S} u_{p(m)}\Bigr)

so that it is no better than what is known as soon as its reduced costs come to the distance between that and
the bound; and what later devices use at the least has to fit, too. The bound of a few devices alone is much
nearer to what they cost than the bound of all, which is why these prices are worth their time. How many
devices are in a set follows from whether the search before came to its end (large neighbourhoods: Shaw 1998).
The best other choice is taken even where it costs a little more (Dueck, Scheuer 1990).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, named, read_only, writable

from ..decomposition.tables import READ, READ_INT, READ_TABLE
from .annealing import Beginning
from .columns import Columns
from .decisions import all_listed
from .lagrangian import Lagrangian

CHOICE = 20.0
"""Columns for each device, in the mean: those of the least reduced costs."""

FIRST, LARGER = 12.0, 0.3
"""Devices in a set at first; and how many more, or fewer, there are in the next."""

NODES = 300_000
"""Of a search, at the most."""

ROUNDS, SHORTER, FAILURES = 100, 0.6, 5
"""Of tuning prices, and what becomes of steps that so often in a row gain nothing."""

WORSE = 0.05
"""How much more a choice may cost in the mean, relative to the distance between incumbent and bound."""

PATIENCE = 1000
"""Sets in a row without a better incumbent, after which it ends, or begins again with that."""


class Neighbourhood(NamedTuple):
    """The columns (T,) of some devices: where those of each begin (k + 1,), what they cost, and what they use
    of each limit, (T, L); and how much there is for them, (L,)."""

    start: Ints
    cost: Floats
    use: Floats
    left: Floats


NEIGHBOURHOOD = named(Neighbourhood, READ_INT, READ, READ_TABLE, READ)


@kernel(
    types.float64(NEIGHBOURHOOD, types.float64, types.int64, *[writable("float64")] * 3),
    all_listed,
)
def tune(here: Any, most: float, rounds: int, prices: Any, beyond: Any, step: Any) -> float:
    """Raise the bound on what the devices cost, by subgradients with steps towards a cost of ``most``.

    The best ``prices`` (L,) replace those to begin with; ``beyond`` (T,) are the reduced costs there, and
    ``step`` (L,) is for work. Returns the bound.
    """
    devices, limits = len(here.start) - 1, len(here.left)
    best, length, failed = -np.inf, 1.0, 0
    tried = prices.copy()
    for turn in range(rounds + 1):
        if turn == rounds or best >= most:
            tried[:] = prices  # for the reduced costs
        value = 0.0
        for x in range(limits):
            step[x] = -here.left[x]
            value -= tried[x] * here.left[x]
        for d in range(devices):
            least, at = np.inf, 0
            for p in range(here.start[d], here.start[d + 1]):
                priced = here.cost[p]
                for x in range(limits):
                    priced += tried[x] * here.use[p, x]
                beyond[p] = priced
                if priced < least:
                    least, at = priced, p
            value += least
            for p in range(here.start[d], here.start[d + 1]):
                beyond[p] -= least
            for x in range(limits):
                step[x] += here.use[at, x]
        if turn == rounds or best >= most:
            return value
        if value > best:
            best, failed = value, 0
            for x in range(limits):
                prices[x] = tried[x]
        else:
            failed += 1
            if failed == FAILURES:
                length, failed = SHORTER * length, 0
                for x in range(limits):
                    tried[x] = prices[x]
        square = 0.0
        for x in range(limits):
            if tried[x] > 0.0 or step[x] > 0.0:
                square += step[x] * step[x]
        if square > 0.0:
            for x in range(limits):
                tried[x] = max(0.0, tried[x] + length * (most - value) / square * step[x])
    return best


class SearchState(NamedTuple):
    """Of each device before the next one: which column is next (k,), the reduced costs up to it (k + 1,), and
    what is left then (k + 1, L)."""

    next: Ints
    beyond: Floats
    left: Floats


SEARCH_STATE = named(SearchState, writable("int64"), writable("float64"), writable("float64", 2))


@kernel(
    types.int64(
        *(NEIGHBOURHOOD, READ, READ, READ_TABLE, types.float64, types.int64),
        *(SEARCH_STATE, READ_INT, writable("int64")),
    ),
    all_listed,
)
def decide(
    here: Any,
    prices: Any,
    beyond: Any,
    least_use: Any,
    most: float,
    nodes: int,
    walk: Any,
    before: Any,
    found: Any,
) -> int:
    """The best columns (k,) of the devices, other than those ``before``, that come to less than ``most``
    beyond the bound; -1 where none is found. Returns the columns looked at, ``nodes`` at the most.

    Columns of a device are ordered by ``beyond``; ``least_use`` (k + 1, L) is what it and all after it use.
    """
    devices, limits = len(found), len(prices)
    found[0] = -1
    walk.next[0], walk.beyond[0] = here.start[0], 0.0
    for x in range(limits):
        walk.left[0, x] = here.left[x]
    d = count = 0
    while d >= 0 and count < nodes:
        p = walk.next[d]
        if p == here.start[d + 1]:
            d -= 1
            continue
        walk.next[d] = p + 1
        count += 1
        value = walk.beyond[d] + beyond[p]
        if value >= most:  # so do all after it
            d -= 1
            continue
        fits = True
        for x in range(limits):
            walk.left[d + 1, x] = walk.left[d, x] - here.use[p, x]
            if walk.left[d + 1, x] < least_use[d + 1, x]:
                fits = False
                break
        if not fits:
            continue
        if d < devices - 1:
            d += 1
            walk.next[d], walk.beyond[d] = here.start[d], value
            continue
        same = True
        for e in range(devices):
            same &= walk.next[e] - 1 == before[e]
        for x in range(limits):
            value += prices[x] * walk.left[devices, x]
        if value < most and not same:
            most = value
            for e in range(devices):
                found[e] = walk.next[e] - 1
    return count


def renewed(
    lagrangian: Lagrangian,
    columns: Columns,
    prices: Floats,
    chosen: Ints,
    bound: float,
    late: Callable[[], bool],
    seed: int = 0,
    again: bool = False,
) -> Ints:
    """The best choice found that keeps all limits in binary64, (M,) columns.

    Parameters
    ----------
    lagrangian, columns
        The limits and the decisions.
    prices
        (all limits,) near the best ones.
    chosen
        (M,) columns to begin with, which keep all limits.
    bound
        What every choice costs at the least.
    late
        Asked after each set whether to end.
    seed
        For the devices in the sets.
    again
        Begin again with the best choice, where patience ends, until it is late.
    """
    begun, draw = Beginning.of(lagrangian, columns, prices, chosen, CHOICE), np.random.default_rng(seed)
    cost, use = columns.cost[begun.some], begun.use.toarray()
    right, price = lagrangian.right[lagrangian.finite], prices[lagrangian.finite]
    state, devices = begun.chosen, begun.several
    best, least, size, idle = state.copy(), float(cost[state].sum()), FIRST, 0
    while (again or idle < PATIENCE) and least > bound and len(devices) and not late():
        if idle == PATIENCE:
            state, idle = best.copy(), 0
        some = draw.permutation(devices)[: int(size)]
        allowed = draw.exponential(WORSE * (least - bound))
        new, ended = _decided(begun, cost, use, right, price, state, some, allowed)
        size = min(size + LARGER, float(len(devices))) if ended else max(size - LARGER, 1.0)
        idle += 1
        if new is not None and (right >= use[new].sum(axis=0)).all():
            state = new
            if float(cost[state].sum()) < least:
                best, least, idle = state.copy(), float(cost[state].sum()), 0
    return begun.some[best]


def _decided(
    begun: Beginning,
    cost: Floats,
    use: Floats,
    right: Floats,
    price: Floats,
    state: Ints,
    some: Ints,
    allowed: float,
) -> tuple[Ints | None, bool]:
    """Another choice, in which some devices decide anew; and whether the search came to its end."""
    column = [np.arange(begun.first[m], begun.first[m + 1]) for m in some.tolist()]
    left = right - use[state].sum(axis=0) + use[state[some]].sum(axis=0)
    most = float(cost[state[some]].sum()) + allowed
    beyond, prices, step = np.empty(sum(map(len, column))), price.copy(), np.empty(len(price))
    bound = tune(_seen(column, cost, use, left), most, ROUNDS, prices, beyond, step)
    parts = np.split(beyond, np.cumsum([len(part) for part in column])[:-1])
    # Devices whose second best column is dear decide first, each by what columns cost.
    order = np.argsort([-np.partition(part, 1)[1] for part in parts], kind="stable").tolist()
    ranks = [np.argsort(parts[d], kind="stable") for d in order]
    column = [column[d][rank] for d, rank in zip(order, ranks, strict=True)]
    beyond = np.concatenate([parts[d][rank] for d, rank in zip(order, ranks, strict=True)])
    here = _seen(column, cost, use, left)
    k, flat = len(column), np.concatenate(column)
    least_use = np.zeros((k + 1, len(right)))
    least_use[:k] = np.cumsum(np.minimum.reduceat(here.use, here.start[:-1])[::-1], axis=0)[::-1]
    walk = SearchState(np.empty(k, np.int64), np.empty(k + 1), np.empty((k + 1, len(right))))
    before = np.array(
        [int(here.start[d] + np.flatnonzero(column[d] == state[some[order[d]]])[0]) for d in range(k)]
    )
    found = np.empty(k, np.int64)
    tuned = *map(read_only, (prices, beyond, least_use)), most - bound
    count = decide(here, *tuned, NODES, walk, read_only(before), found)
    if found[0] < 0:
        return None, count < NODES
    new = state.copy()
    new[some[order]] = flat[found]
    return new, count < NODES


def _seen(column: list[Ints], cost: Floats, use: Floats, left: Floats) -> Neighbourhood:
    flat, start = np.concatenate(column), np.cumsum([0, *map(len, column)])
    return Neighbourhood(*map(read_only, (start, cost[flat], use[flat], left)))
