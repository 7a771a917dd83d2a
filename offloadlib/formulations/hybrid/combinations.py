"""Good solutions from the dual: combinations of patterns of small reduced cost that use up the uplink."""

from __future__ import annotations

import numpy as np

from offloadlib.instances.arrays import Floats, Ints

from .kernels import combine
from .patterns import PatternLists

CELLS, CELLS_BY_UNITS = 1 << 14, 1 << 10
"""Of the grid of sums of shares, alone and for each number of units, for few devices; fewer for more."""

MOST_STATES = 1 << 23
"""Cells times numbers of units times devices."""

MOST_UNITS = 64
"""Difference of units that is kept."""

MOST = 64
"""Combinations that are returned."""


NEVER = 1e150
"""A root of a price that is beyond all others."""


def combinations(
    menu: PatternLists, price: float, gap: float, above: Ints, bandwidth: float, units: Ints, missing: int
) -> Ints:
    """Patterns of all devices that may cost little.

    A pattern that costs more than the cheapest one of its device, by the gap or more, is in no better
    solution than the incumbent. What is left is combined so that the shares at the price add up to
    about B, at the least sum of reduced costs for each sum of shares.

    Parameters
    ----------
    menu
        All patterns of all devices.
    price
        The price on the uplink.
    gap
        Between the incumbent and the bound at the price.
    above
        (N,) the cheapest patterns just above the price.
    bandwidth
        B.
    units
        That each pattern uploads; zeros where they do not matter.
    missing
        Units that a combination must upload more than the patterns ``above``.

    Returns
    -------
    ndarray
        (., N) numbers of patterns.
    """
    value, share = menu.at(price)
    first = menu.start[:-1]
    least = np.minimum.reduceat(value, first)
    owner = np.repeat(np.arange(len(first)), np.diff(menu.start))
    reduced = value - least[owner]
    chosen = first + above
    reduced[chosen] = np.minimum(reduced[chosen], 0.99 * gap)  # always an option
    kept = np.flatnonzero(reduced < gap)
    count = np.bincount(owner[kept], minlength=len(first))
    kept = kept[count[owner[kept]] > 1]
    if not len(kept):
        return above[None, :]
    devices, start = np.unique(owner[kept], return_index=True)
    start = np.append(start, len(kept))
    difference = share[kept] - share[chosen][owner[kept]]
    room = bandwidth - float(share[chosen].sum())
    width = abs(room) + 4.0 * float(np.abs(difference).max())
    more = units[kept] - units[chosen][owner[kept]]
    span = min(abs(missing) + 2 * int(np.abs(more).max()), MOST_UNITS)
    if abs(missing) > span:
        return above[None, :]
    rows = 2 * span + 1
    cells = min(CELLS_BY_UNITS if span else CELLS, max(256, MOST_STATES // (len(devices) * rows)))
    cost, total = np.empty((rows, cells)), np.empty((rows, cells))
    parent = np.empty((len(devices), rows * cells), np.int32)
    option = np.empty((len(devices), rows * cells), np.int16)
    combine(start, reduced[kept], difference, more, width, cost, total, parent, option)

    row = span + missing
    reached = np.flatnonzero(np.isfinite(cost[row]))
    if not len(reached):
        return above[None, :]
    loss = _loss(menu, price, chosen, room - total[row, reached])
    best = reached[np.argsort(cost[row, reached] + loss)[:MOST]]
    result = np.tile(above, (len(best), 1))
    state = row * cells + best
    for i in range(len(devices) - 1, -1, -1):
        result[:, devices[i]] = menu.number[kept[start[i] + option[i, state]]]
        state = parent[i, state].astype(np.int64)
    return result


def _loss(menu: PatternLists, price: float, chosen: Ints, surplus: Floats) -> Floats:
    """About what it costs that shares at a price do not add up to B: a surplus of it, or a lack.

    Devices below their caps take more or less at first for the price alone, and then for a change of
    the price that is proportional to the change: a parabola. Who is at the cap takes no more, and less for
    no price below that of the knee.
    """
    root = np.sqrt(price)
    pull, knee = menu.pull[chosen], menu.knee[chosen]
    give = float(pull[knee <= root].sum()) / (2.0 * root**3) if root > 0 else 0.0
    parabola = surplus**2 / (2.0 * give) if give > 0 else np.full(len(surplus), np.inf)
    squeezed = float(np.min(knee[knee > root], initial=NEVER)) ** 2 - price
    loss: Floats = np.minimum(parabola, np.where(surplus < 0, -squeezed * surplus, price * surplus))
    return loss
