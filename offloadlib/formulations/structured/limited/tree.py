"""The compiled tree of backtracking: a decision for one device after the other, while all limits hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, named, of_format_2, read_only, writable
from offloadlib.instances.structured.limits import HAIR

from ..decomposition.tables import READ, READ_INT, READ_TABLE
from .decisions import Decisions

STEPS = 2_000_000
"""Decisions tried between two looks at the clock."""

_FOUND, _PAUSED, _ENDED = 0, 1, 2


class _Lists(NamedTuple):
    """Decisions of all devices in a row: where those of each begin (M + 1,); cost and excess (T,), use
    (T, L); how much there is (L,); and the least cost and use of all later devices (M + 1,), (M + 1, L)."""

    start: Ints
    cost: Floats
    excess: Floats
    use: Floats
    right: Floats
    least_cost: Floats
    least_use: Floats


_LISTS = named(_Lists, READ_INT, READ, READ, READ_TABLE, READ, READ, READ_TABLE)


class _Walk(NamedTuple):
    """Where the search stands: device (1,); the next decision of each, and cost, excess and use before it."""

    depth: Ints
    next: Ints
    cost: Floats
    excess: Floats
    used: Floats


_WALK = named(_Walk, writable("int64"), writable("int64"), *[writable("float64")] * 2, writable("float64", 2))


@kernel(types.int64(_LISTS, _WALK, types.boolean, types.float64, types.float64, types.int64), of_format_2)
def _explore(lists: Any, walk: Any, largest: Any, most_excess: Any, cutoff: Any, steps: Any) -> int:
    """Go on to the next solution below the cutoff; its decisions are those before ``next``."""
    devices, limits = len(lists.start) - 1, len(lists.right)
    d = walk.depth[0]
    for _ in range(steps):
        if d < 0:
            walk.depth[0] = d
            return _ENDED
        row = lists.start[d] + walk.next[d]
        if row == lists.start[d + 1]:
            d -= 1
            continue
        walk.next[d] += 1
        excess = walk.excess[d] + lists.excess[row]
        if excess > most_excess:  # so have all after it
            d -= 1
            continue
        if largest:
            cost = max(walk.cost[d], lists.cost[row])
            least = max(cost, lists.least_cost[d + 1])
        else:
            cost = walk.cost[d] + lists.cost[row]
            least = cost + lists.least_cost[d + 1]
        fits = least < cutoff
        for i in range(limits):
            used = walk.used[d, i] + lists.use[row, i]
            walk.used[d + 1, i] = used
            if used + lists.least_use[d + 1, i] > lists.right[i]:
                fits = False
                break
        if not fits:
            continue
        if d == devices - 1:
            walk.depth[0] = d
            return _FOUND
        d += 1
        walk.cost[d], walk.excess[d], walk.next[d] = cost, excess, 0
    walk.depth[0] = d
    return _PAUSED


class DeviceTree:
    """A search through lists of decisions, which goes on where it has found a solution.

    Parameters
    ----------
    lists
        The decisions of each device; not empty.
    excess
        (D,) of each, what its value is above the least.
    right
        (L,) of every limit.
    most_excess
        Of a solution.
    largest
        Whether the cost of a solution is the largest one.
    pause
        Called now and then.
    """

    def __init__(
        self,
        lists: Sequence[Decisions],
        excess: Sequence[Floats],
        right: Floats,
        most_excess: float,
        largest: bool,
        pause: Callable[[], None],
    ) -> None:
        # The devices with the fewest decisions decide first, the least excess first.
        self._order = sorted(range(len(lists)), key=lambda m: len(lists[m]))
        self._rows = [np.argsort(excess[m], kind="stable") for m in self._order]
        chosen = [lists[m].chosen(rows) for m, rows in zip(self._order, self._rows, strict=True)]
        use, cost = np.concatenate([one.use for one in chosen]), np.concatenate([one.cost for one in chosen])
        least_use = np.array([one.use.min(axis=0) for one in chosen] + [np.zeros(len(right))])
        least_cost = np.array([one.cost.min() for one in chosen] + [-np.inf if largest else 0.0])
        over = np.maximum.accumulate if largest else np.cumsum
        binding = np.flatnonzero(sum(one.use.max(axis=0) for one in chosen) > right)
        above = [excess[m][rows] for m, rows in zip(self._order, self._rows, strict=True)]
        arrays = _Lists(
            start=np.cumsum([0, *map(len, chosen)]),
            cost=cost,
            excess=np.concatenate(above),
            use=use[:, binding],
            right=right[binding] + HAIR * (right + use.max(axis=0))[binding],
            least_cost=over(least_cost[::-1])[::-1],
            least_use=np.cumsum(least_use[::-1], axis=0)[::-1][:, binding],
        )
        self._lists = _Lists(*map(read_only, arrays))
        depth = len(chosen)
        self._walk = _Walk(
            np.zeros(1, np.int64),
            np.zeros(depth, np.int64),
            np.full(depth, -np.inf if largest else 0.0),
            np.zeros(depth),
            np.zeros((depth + 1, len(binding))),
        )
        self._largest, self._most_excess, self._pause = largest, most_excess, pause

    def next(self, cutoff: float) -> dict[int, int] | None:
        """The number of a decision of each device, for a solution that costs less; None if there is none."""
        while True:
            code = _explore(self._lists, self._walk, self._largest, self._most_excess, cutoff, STEPS)
            if code == _FOUND:
                numbers = zip(self._order, self._rows, self._walk.next - 1, strict=True)
                return {m: int(rows[i]) for m, rows, i in numbers}
            if code == _ENDED:
                return None
            self._pause()
