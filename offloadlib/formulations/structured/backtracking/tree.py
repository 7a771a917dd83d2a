r"""The search over devices: depth first over whole decisions.

The K levels that a device has in the tree of Algorithm 1 are searched once, ahead, instead of under every
partial solution: here a level is a device, and its branches are the decisions that are left of it
(:mod:`.decisions`, also for *excess*).

**Bound of a node.** Let the first i devices be decided, x their excess, and c_r what they leave of limit
r. Two limits, r and s, are kept exactly, the others by their prices alone: with

.. math::

   T_i(c_r, c_s) = \pi_r c_r + \pi_s c_s + \min \Big\{ \sum_{m \ge i} [x(d_m) - \pi_r u_r(d_m)
   - \pi_s u_s(d_m)] :\; \sum_{m \ge i} u_r(d_m) \le c_r,\; \sum_{m \ge i} u_s(d_m) \le c_s \Big\} \ge 0

every completion costs at least :math:`B + x + T_i(c_r, c_s)`. *Proof*: it costs B, the excess x of the
first devices and that of the others, and the price of all slack. The slack of r is c_r minus what the
others use of it, likewise that of s, and no other slack is negative: what is added to B + x is at least
the sum in T for the completion's own decisions, which keep both limits. T is a knapsack table over two
limits, filled from the last device to the first. There is one for each single limit (the other one being
void), and as many pairs as :data:`LARGEST_TABLES` allows, those of neighbouring limits first; a node is
closed by the first that suffices.

Pairs are worth it: 20 devices at 10 offload points of capacity 5 need up to 10^4 times fewer nodes than with
the tables of single limits.

**Order.** Devices with the fewest decisions first; of a device, the decisions with the least excess first,
so that a level is done once that alone is too much.
"""

from __future__ import annotations

from itertools import accumulate, combinations
from typing import NamedTuple

import numpy as np
from numba import types

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, named, of_format_1, read_only, readable, writable

from .decisions import DecisionLists
from .device import Pause
from .kernels import EXHAUSTED, LEAF, PAUSED
from .prices import DualValue, NestedLimits

STEPS = 300_000
"""Steps of the kernel between two looks at the clock: some milliseconds."""

LARGEST_TABLES = 2**23
"""Entries of all knapsack tables."""

_READ, _READ_INT, _READ_INTS = readable("float64"), readable("int64"), readable("int64", 2)


class Alternatives(NamedTuple):
    """The decisions, a device a level: (D+1,) where its own begin, (B,) excess, (B, R) use; (R,) prices of
    the limits."""

    start: Ints
    excess: Floats
    use: Ints
    price: Floats


class Knapsacks(NamedTuple):
    """The tables T of single limits and of pairs.

    Attributes
    ----------
    pairs
        (T, 2) the limits of each table; R is a void limit of which nothing is there or used.
    offset, entries
        (T,), (E,) where the tables begin, and all of them: (levels + 1, L_r + 1, L_s + 1) each.
    """

    pairs: Ints
    offset: Ints
    entries: Floats


class Path(NamedTuple):
    """Where a search stands.

    Attributes
    ----------
    cursor
        (2,) level, and nodes so far.
    tried
        (D,) the next decision to try at each level.
    total, left
        (D+1,), (D+1, R+1) excess, and what is left of the limits, before each level.
    """

    cursor: Ints
    tried: Ints
    total: Floats
    left: Ints


_BRANCHES = named(Alternatives, _READ_INT, _READ, _READ_INTS, _READ)
_KNAPSACKS = named(Knapsacks, _READ_INTS, _READ_INT, _READ)
_PATH = named(Path, writable("int64"), writable("int64"), writable("float64"), writable("int64", 2))


class DeviceTree:
    """The tree over some decisions, searched depth first from the root on.

    Parameters
    ----------
    decisions, limits, priced
        The decisions, and the prices that bound, evaluated over these decisions.
    delta
        Solutions with an excess from here on are not looked for.
    pause
        Called now and then.
    """

    def __init__(
        self, decisions: DecisionLists, limits: NestedLimits, priced: DualValue, delta: float, pause: Pause
    ) -> None:
        self._delta, self._pause = delta, pause
        self.decisions, excess = decisions.sorted(priced, delta)
        chosen = self.decisions
        arrays = chosen.start, excess, chosen.use, priced.multipliers
        self._levels = Alternatives(*map(read_only, arrays))
        self._knapsacks = knapsacks(self._levels, limits.right, pause)
        levels = len(decisions.devices)
        left = np.zeros((levels + 1, len(limits.right) + 1), dtype=np.int64)
        left[0, :-1] = limits.right
        start = np.zeros(2, dtype=np.int64), chosen.start[:-1].copy(), np.zeros(levels + 1)
        self._path = Path(*start, left)

    @property
    def nodes(self) -> int:
        """Decisions tried so far."""
        return int(self._path.cursor[1])

    def next(self, cutoff: float) -> Ints | None:
        """Go on to the next solution that costs less than B + cutoff.

        Returns
        -------
        numbers
            (D,) which one of its ``places`` each device of ``decisions`` has; None: no solution is left.
        """
        fixed = self._levels, self._knapsacks, self._path, min(cutoff, self._delta)
        while (code := _next_solution(*fixed, STEPS)) == PAUSED:
            self._pause()
        return self._path.tried - 1 - self.decisions.start[:-1] if code == LEAF else None

    def open(self) -> float:
        """What a solution that has not been searched costs more than B, at least."""
        path, levels = self._path, self._levels
        reached = int(path.cursor[0]) + 1
        waiting = path.tried[:reached] < levels.start[1 : reached + 1]
        excess = path.total[:reached][waiting] + levels.excess[path.tried[:reached][waiting]]
        return float(min([self._delta, *excess]))


def knapsacks(levels: Alternatives, right: Ints, pause: Pause) -> Knapsacks:
    """Fill as many tables as :data:`LARGEST_TABLES` allows."""
    start, excess, use, price = levels
    most = np.maximum.reduceat(use, start[:-1]).sum(axis=0)
    matter = np.flatnonzero((price > 0.0) | (most > right)).tolist()
    void, depth = len(right), len(start)
    sizes, prices = [*(right + 1).tolist(), 1], [*price.tolist(), 0.0]
    columns = [*map(np.ascontiguousarray, use.T), np.zeros(len(excess), dtype=np.int64)]
    pairs = [(r, void) for r in matter] + sorted(combinations(matter, 2), key=lambda p: p[1] - p[0])
    ends = list(accumulate(depth * sizes[r] * sizes[s] for r, s in pairs))
    offset = np.array([0, *(end for end in ends if end <= LARGEST_TABLES)], dtype=np.int64)
    entries = np.empty(offset[-1])
    for (r, s), first, end in zip(pairs, offset[:-1], offset[1:], strict=False):
        table = entries[first:end].reshape(depth, sizes[r], sizes[s])
        _fill(start, excess, columns[r], columns[s], prices[r], prices[s], table)
        pause()
    known = np.array(pairs[: len(offset) - 1], dtype=np.int64).reshape(-1, 2)
    return Knapsacks(read_only(known), read_only(offset), read_only(entries))


@kernel(
    types.void(
        *(_READ_INT, _READ, _READ_INT, _READ_INT, types.float64, types.float64, writable("float64", 3))
    ),
    needed=of_format_1,
)
def _fill(
    start: Ints, excess: Floats, first: Ints, second: Ints, price: float, other: float, table: Floats
) -> None:
    """The knapsack table of two limits, from what the decisions (B,) use of them, and their prices."""
    levels, room, space = table.shape
    most, other_most = 0, 0
    for i in range(len(first)):
        most, other_most = max(most, first[i]), max(other_most, second[i])
    least = np.empty((most + 1, other_most + 1))
    table[-1] = 0.0
    for m in range(levels - 2, -1, -1):
        # Of the decisions with the same use of the two, the one with the least excess is enough.
        least[:] = np.inf
        for i in range(start[m], start[m + 1]):
            value = excess[i] - price * first[i] - other * second[i]
            least[first[i], second[i]] = min(least[first[i], second[i]], value)
        table[m] = np.inf
        for u in range(least.shape[0]):
            for v in range(least.shape[1]):
                if least[u, v] < np.inf:
                    for c in range(u, room):
                        for d in range(v, space):
                            value = least[u, v] + table[m + 1, c - u, d - v]
                            table[m, c, d] = min(table[m, c, d], value)
    for c in range(room):
        for d in range(space):
            for m in range(levels):
                table[m, c, d] += price * c + other * d


@kernel(types.int64(_BRANCHES, _KNAPSACKS, _PATH, types.float64, types.int64), needed=of_format_1)
def _next_solution(levels: Alternatives, knapsacks: Knapsacks, path: Path, cutoff: float, steps: int) -> int:
    """Go on, depth first, to the next solution whose excess and price of slack are below a cutoff.

    Parameters
    ----------
    cutoff
        Of the excess and the price of the slack.
    steps
        After so many it pauses.

    Returns
    -------
    int
        :data:`LEAF` (with the decisions ``tried - 1``), :data:`EXHAUSTED` or :data:`PAUSED`.
    """
    start, excess, use, price = levels
    pairs, offset, entries = knapsacks
    cursor, tried, total, left = path
    depth, limits = len(tried), use.shape[1]
    m, nodes, code = cursor[0], 0, PAUSED
    for _ in range(steps):
        i = tried[m]
        if i == start[m + 1] or total[m] + excess[i] >= cutoff:  # back to the level above
            tried[m] = start[m]
            m -= 1
            if m < 0:
                m, code = 0, EXHAUSTED
                break
            continue
        tried[m] += 1
        nodes += 1
        closed, here = False, total[m] + excess[i]
        for r in range(limits):
            left[m + 1, r] = left[m, r] - use[i, r]
            closed = closed or left[m + 1, r] < 0
        t = 0
        while t < len(pairs) and not closed:
            r, s = pairs[t]
            size = 1 if s == limits else left[0, s] + 1
            at = ((m + 1) * (left[0, r] + 1) + left[m + 1, r]) * size + left[m + 1, s]
            closed = here + entries[offset[t] + at] >= cutoff
            t += 1
        if closed:
            continue
        total[m + 1] = here
        if m + 1 < depth:
            m += 1
            continue
        for r in range(limits):
            here += price[r] * left[depth, r]
        if here < cutoff:
            code = LEAF
            break
    cursor[0] = m
    cursor[1] += nodes
    return code
