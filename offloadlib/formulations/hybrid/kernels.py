"""Compiled kernels of the dual: the cheapest pattern of each device at a price, and the best price.

See :mod:`.patterns` for base, pull and knee of a pattern, and for what it costs at a price.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import inlined, kernel, named, readable, subroutine, writable
from offloadlib.instances.loops import copy

ROUNDING = 1e-13
"""Relative error of a dual value: far above what rounding can do to sums of terms that are all >= 0."""


class Curves(NamedTuple):
    """Patterns: those of device i at start[i]..start[i+1]-1 of what they cost (:mod:`.patterns`)."""

    start: Ints
    base: Floats
    pull: Floats
    knee: Floats


class Wanted(NamedTuple):
    """What price is looked for.

    Attributes
    ----------
    bandwidth
        B.
    guess, low, high
        Where to begin, between the least and the greatest price to try.
    cutoff
        A value from here on is enough.
    tolerance
        Relative difference at which the search ends.
    """

    bandwidth: float
    guess: float
    low: float
    high: float
    cutoff: float
    tolerance: float


_F, _I = readable("float64"), readable("int64")
_CURVES = named(Curves, _I, _F, _F, _F)
_FOUND = types.Tuple((types.float64, types.float64, types.boolean))


@inlined
def _priced(root, base, pull, knee):  # type: ignore[no-untyped-def]
    """What a pattern costs at a price, given the price's root."""
    if root < knee:
        return base + pull * (knee + root * (root / knee))
    return base + pull * (2.0 * root)


@inlined
def _share(root, pull, knee):  # type: ignore[no-untyped-def]
    """The share of the uplink that a pattern takes at a price."""
    if pull == 0.0:
        return 0.0
    divisor = max(root, knee)
    return pull / divisor if divisor > 0.0 else np.inf


@subroutine
def _evaluate(price, curves, skip, chosen, total, carry, used):  # type: ignore[no-untyped-def]
    """Add the devices' least costs at a price to a compensated sum, and their shares to another.

    Of equally cheap patterns the one with the smaller share is chosen.
    """
    start, base, pull, knee = curves
    root = np.sqrt(price)
    for i in range(len(start) - 1):
        if len(skip) and skip[i]:
            continue
        least, share, best = np.inf, 0.0, -1
        for k in range(start[i], start[i + 1]):
            value = _priced(root, base[k], pull[k], knee[k])
            if value <= least:
                taken = _share(root, pull[k], knee[k])
                if value < least or taken < share:
                    least, share, best = value, taken, k
        chosen[i] = best
        added = total + least  # Neumaier's summation
        carry += (total - added) + least if total >= least else (least - added) + total
        total = added
        used += share
    return total, carry, used


@kernel(
    _FOUND(
        *(_CURVES, readable("boolean"), _CURVES, named(Wanted, *[types.float64] * 6)),
        *(writable("int64", 2), writable("int64", 2)),
    )
)
def best_price(others, skip, own, wanted, chosen, own_chosen):  # type: ignore[no-untyped-def]
    """Maximise the dual over prices in [low, high], by the tangents at both ends of a bracket.

    The dual is concave; where the tangents meet is the next price, and how high they meet bounds what
    is left to gain. Where the patterns at the ends are final the tangents close in quadratically; every
    third price halves the bracket, so that they need not.

    Parameters
    ----------
    others, skip
        Patterns, and (N,) devices that are left out; empty: none.
    own
        Patterns of further devices: those that are left out, with the patterns that are left to them.
    chosen, own_chosen
        (2, .) output: the cheapest patterns just below the best price, and just above it.

    Returns
    -------
    price, bound
        The best price that was tried, and the dual there, rounded downwards.
    outside
        Whether prices below ``low``, or above ``high``, may be better.
    """
    bandwidth, guess, low, high, cutoff, tolerance = wanted
    none = np.empty(0, np.bool_)
    now, own_now = np.empty(len(others.start) - 1, np.int64), np.empty(len(own.start) - 1, np.int64)
    now[:], own_now[:] = -1, -1
    best, best_price = -np.inf, guess
    # Ends of the bracket: price, value, slope; -1 while there is none.
    a, a_value, a_slope = -1.0, 0.0, 0.0
    b, b_value, b_slope = -1.0, 0.0, 0.0
    price, magnitude = guess, 0.0
    for step in range(300):
        total, carry, used = _evaluate(price, others, skip, now, 0.0, 0.0, 0.0)
        total, carry, used = _evaluate(price, own, none, own_now, total, carry, used)
        magnitude = total + carry + price * bandwidth
        value = total + carry - price * bandwidth
        slope = used - bandwidth
        if value - ROUNDING * magnitude > best:
            best, best_price = value - ROUNDING * magnitude, price
        if slope > 0.0:
            a, a_value, a_slope = price, value, slope
            copy(chosen[0], now)
            copy(own_chosen[0], own_now)
        else:
            b, b_value, b_slope = price, value, slope
            copy(chosen[1], now)
            copy(own_chosen[1], own_now)
        if slope == 0.0 or best >= cutoff:
            break
        if b < 0.0:
            if a >= high:
                break
            price = min(4.0 * a, high)
            continue
        if b <= low:
            break
        if a < 0.0 or a_slope == np.inf:
            # The tangent at a price of 0 is of use only if everyone's share there is finite.
            price = low if a < 0.0 and (low > 0.0 or step == 0) else 0.25 * b
            price = max(price, low)
            continue
        meet = (b_value - b_slope * b - a_value + a_slope * a) / (a_slope - b_slope)
        ceiling = a_value + a_slope * (meet - a)
        if ceiling - best <= (tolerance + ROUNDING) * magnitude:
            break
        price = meet
        if step % 3 == 2 or not a < price < b:
            price = np.sqrt(a * b) if b > 4.0 * a > 0.0 else 0.5 * (a + b)
        if not a < price < b:
            break
    outside = (b < 0.0 and a >= high) or (a < 0.0 and b <= low and low > 0.0)
    if a < 0.0:
        copy(chosen[0], chosen[1])
        copy(own_chosen[0], own_chosen[1])
    if b < 0.0:
        copy(chosen[1], chosen[0])
        copy(own_chosen[1], own_chosen[0])
    return best_price, best, outside


@kernel(types.int64(_CURVES, _F, writable("boolean")))
def mark_relevant(curves, prices, relevant):  # type: ignore[no-untyped-def]
    """Mark every pattern that may be the cheapest one of its device between the first and the last price.

    What patterns cost never falls with the price. So a pattern is never the cheapest one between two
    prices if it costs more at the lower one than another one does at the higher one.
    """
    start, base, pull, knee = curves
    count = 0
    roots = np.sqrt(prices)
    for i in range(len(start) - 1):
        for step in range(len(roots) - 1):
            least = np.inf
            for k in range(start[i], start[i + 1]):
                least = min(least, _priced(roots[step + 1], base[k], pull[k], knee[k]))
            for k in range(start[i], start[i + 1]):
                if not relevant[k] and _priced(roots[step], base[k], pull[k], knee[k]) <= least:
                    relevant[k] = True
                    count += 1
    return count


@kernel(types.void(readable("int64", 2), _CURVES, types.float64, writable("float64")))
def least_costs(chosen, curves, bandwidth, cost):  # type: ignore[no-untyped-def]
    """What patterns cost with their best split: base + pull max(s, knee), s the root of the price.

    At the best split the shares pull/max(s, knee) add up to the bandwidth, or s = 0 and they do not reach
    it. From an s that is too large, those below their knee stay there: their shares are known, and s
    falls to where the others' shares, pull/s, take what is left, until nobody else is below the knee.

    Parameters
    ----------
    chosen
        (S, N) patterns: their indices.
    cost
        (S,) output.
    """
    _, base, pull, knee = curves
    for j in range(len(chosen)):
        root = np.inf
        while True:
            free, fixed = 0.0, 0.0
            for k in chosen[j]:
                if knee[k] < root:
                    free += pull[k]
                elif pull[k] > 0.0:
                    fixed += pull[k] / knee[k]
            left = bandwidth - fixed
            lower = free / left if left > 0.0 else 0.0
            if free == 0.0 or not lower < root:
                break
            root = lower
        if free == 0.0:
            root = 0.0
        total = 0.0
        for k in chosen[j]:
            total += base[k] + pull[k] * max(root, knee[k])
        cost[j] = total


@kernel(
    types.void(
        *(_I, _F, _F, _I, types.float64),
        *(writable("float64", 2), writable("float64", 2), writable("int32", 2), writable("int16", 2)),
    )
)
def combine(start, reduced, share, units, width, cost, total, parent, option):  # type: ignore[no-untyped-def]
    """Combine options of devices to every sum of units and shares, as cheaply as a grid of sums can tell.

    Parameters
    ----------
    start, reduced, share, units
        Options of the i-th device at start[i]..start[i+1]-1: reduced cost, and share and units, which may
        be negative, as the difference to another option.
    width
        Sums of shares from minus this to this are kept, one for each of the cells of the grid.
    cost, total
        (2 span + 1, cells) output: the least reduced cost found for units from -span to span and a cell of
        the grid, infinite where none is, and the sum of shares there.
    parent, option
        (devices, (2 span + 1) cells) output: from which state of the device before, and by which option,
        it came.
    """
    rows, cells = cost.shape
    scale = (cells - 1) / (2.0 * width)
    cost[:] = np.inf
    origin = np.int64(np.round(width * scale))
    cost[rows // 2, origin], total[rows // 2, origin] = 0.0, 0.0
    new_cost, new_total = np.empty_like(cost), np.empty_like(total)
    for i in range(len(start) - 1):
        new_cost[:] = np.inf
        for row in range(rows):
            for cell in range(cells):
                if cost[row, cell] == np.inf:
                    continue
                for k in range(start[i], start[i + 1]):
                    value, sums = cost[row, cell] + reduced[k], total[row, cell] + share[k]
                    to_row = row + units[k]
                    if abs(sums) > width or not 0 <= to_row < rows:
                        continue
                    to = np.int64(np.round((sums + width) * scale))
                    if value < new_cost[to_row, to]:
                        new_cost[to_row, to], new_total[to_row, to] = value, sums
                        state = to_row * cells + to
                        parent[i, state], option[i, state] = row * cells + cell, k - start[i]
        for row in range(rows):
            copy(cost[row], new_cost[row])
            copy(total[row], new_total[row])
