r"""A choice of very many devices that keeps all limits, near the best prices.

Of a linear program with a column for each device, all but as many devices as there are limits are whole, so
that many devices cost hardly more together than the program says: what has to be found is which of many
decisions that are equally good at the best prices fit into the limits together. One device after the other
takes the column p for which

.. math::

   c_p + \sum_l \rho_l \max(0, \text{used}_l(p) - t_l)^2

is least, with its cost and what all use then. The targets t begin so far below the limits that, at the limit,
one more unit costs its price: this is an augmented Lagrangian (Hestenes 1969, Powell 1969, Rockafellar 1973).
Where more than the limit is used, its target falls by half of that; where all limits are kept, targets that
have fallen rise again by a part of what is left. So what stays beyond gets ever dearer, and less is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, of_format_2, read_only, readable, writable

from .annealing import COLUMN_LISTS, Beginning, cheapest
from .columns import Columns
from .lagrangian import Lagrangian

CHOICE = 8.0
"""Columns for each device, in the mean: those of the least reduced costs."""

SOFT = (60.0, 20.0, 8.0)
"""How far targets are below the limits at first, in mean entries of columns: one time after the other."""

LEAST = 0.01
"""Of the mean price of all limits, what a unit costs at least that is so far beyond a target."""

FALL, RISE = 0.5, 0.2
"""What becomes of a target: shares of what is used beyond the limit, and of what is left."""

SWEEPS, FIRST_SWEEPS = 3, 10
"""Over all devices, between two looks at the targets; and before the first one."""

ROUNDS, PATIENCE = 300, 60
"""Looks at the targets, at the most, and without a better choice."""


@kernel(
    types.void(COLUMN_LISTS, readable("int64"), types.int64, writable("int64"), writable("float64")),
    of_format_2,
)
def descend(moves: Any, order: Any, sweeps: int, chosen: Any, used: Any) -> None:
    """Change ``chosen`` (M,) and what it uses (L,), until no device of ``order`` wants anything else, or for
    so many sweeps; ``moves`` has the targets for limits, and the penalties on squares."""
    for _ in range(sweeps):
        moved = False
        for m in order:
            old = chosen[m]
            for i in range(moves.start[old], moves.start[old + 1]):
                used[moves.limit[i]] -= moves.amount[i]
            best, least = old, np.inf
            for new in range(moves.first[m], moves.first[m + 1]):
                value = moves.cost[new]
                for i in range(moves.start[new], moves.start[new + 1]):
                    x, amount = moves.limit[i], moves.amount[i]
                    over = max(used[x] - moves.right[x], 0.0)
                    value += moves.penalty[x] * (max(used[x] + amount - moves.right[x], 0.0) ** 2 - over**2)
                if value < least:
                    best, least = new, value
            for i in range(moves.start[best], moves.start[best + 1]):
                used[moves.limit[i]] += moves.amount[i]
            if best != old:
                chosen[m], moved = best, True
        if not moved:
            break


def settled(
    lagrangian: Lagrangian,
    columns: Columns,
    prices: Floats,
    stop: Callable[[], bool],
    seed: int = 0,
) -> tuple[Ints, bool]:
    """The cheapest choice found that keeps all limits in binary64, (M,) columns, and True; where there is
    none, the last one, and False.

    Parameters
    ----------
    lagrangian, columns
        The limits and the decisions.
    prices
        (all limits,) near the best ones.
    stop
        Asked now and then whether to end.
    seed
        For the order of the devices.
    """
    chosen = cheapest(columns, columns.cost + columns.use @ prices)
    begun = Beginning.of(lagrangian, columns, prices, chosen, CHOICE)
    right, price = lagrangian.right[lagrangian.finite], prices[lagrangian.finite]
    cost = columns.cost[begun.some]
    entry = float(begun.use.data.mean()) if begun.use.nnz else 1.0
    usual = float(price.mean()) or float(np.abs(cost).mean()) / entry or 1.0
    steep = np.maximum(price, LEAST * usual)
    draw, target = np.random.default_rng(seed), right
    state, used = begun.chosen, begun.used
    best, least, since = state.copy(), np.inf, 0

    def change(sweeps: int) -> None:
        moves = begun.moves(cost, target, steep / (2 * soft * entry))
        descend(moves, read_only(draw.permutation(begun.several)), sweeps, state, used)
        used[:] = begun.use[state].sum(axis=0)  # sums of real amounts lose something in many changes

    for soft in SOFT:
        highest = target = right - soft * entry * price / steep
        change(FIRST_SWEEPS)
    for _ in range(ROUNDS):
        left = right - used
        if (left >= 0).all():
            if cost[state].sum() < least:
                best, least, since = state.copy(), float(cost[state].sum()), 0
            target = np.minimum(target + RISE * left, highest)
        else:
            target = target + FALL * np.minimum(left, 0.0)
        since += 1
        if since > PATIENCE or stop():
            break
        change(SWEEPS)
    found = least < np.inf
    return begun.some[best if found else state], found
