r"""The decisions that a cheap solution can be made of, and better prices from them alone.

**Excess.** At prices :math:`\pi` with the bound B (:mod:`.prices`), the excess of a
decision is what its cost and price are above the least ones of its device,
:math:`x(d) = C_m(d) + \pi u(d) - v_m \ge 0`. With :math:`s = L - \sum_m u(d_m)`, the slack of the limits,

.. math:: \sum_m C_m(d_m) = B + \sum_m x(d_m) + \pi s \ge B + \max_m x(d_m) .

So a solution that costs less than B + delta is made of decisions with less excess than delta. They are
listed by :meth:`.structured.backtracking.device.DeviceSearch.below`.

**Dominance.** Where a decision costs no more than another one of the same device and uses no more of any
limit, it can take the other's place in every nested solution: the other one is dropped. (Of decisions that
could replace each other, one stays.) At most one decision is left for each use, that is, for each multiset
of up to K pools: :math:`\binom{I+K}{K}` instead of :math:`(I+1)^K`.

**Prices from a list.** The Lagrangian bound over listed decisions alone bounds the cost of all solutions
that are made of them. Its prices cost next to nothing to improve, no device being searched anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import types
from numpy.typing import NDArray

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, of_format_1, readable, writable

from .device import DeviceSearch, Pause
from .prices import DualValue, NestedLimits

COMPARISONS = 20_000_000
"""Comparisons of decisions between two looks at the clock."""

_READ, _READ_INT, _READ_INTS = readable("float64"), readable("int64"), readable("int64", 2)


@dataclass(frozen=True, eq=False)
class DecisionLists:
    """Some decisions of each device.

    Attributes
    ----------
    devices
        (D,) the devices, by number.
    start
        (D+1,) where their decisions begin.
    places
        D arrays (B, K), one row a decision.
    cost, use
        (B,), (B, R) of the decisions of all devices.
    """

    devices: Ints
    start: Ints
    places: tuple[Ints, ...]
    cost: Floats
    use: Ints

    def __len__(self) -> int:
        return len(self.cost)

    def at(self, limits: NestedLimits, multipliers: Floats) -> DualValue:
        """The Lagrangian bound over these decisions, at some prices of the limits."""
        value, used = np.zeros(len(self.devices)), np.zeros(len(multipliers), dtype=np.int64)
        _cheapest(self.start, self.cost, self.use, multipliers, value, used)
        return DualValue.of(limits, multipliers, value, used)

    def sorted(self, priced: DualValue, delta: float) -> tuple[DecisionLists, Floats]:
        """The decisions with less excess than delta, in the order of the tree, and their excess.

        Parameters
        ----------
        priced
            Prices that :meth:`at` evaluated.
        delta
            Not negative.

        Returns
        -------
        decisions, excess
            Devices with the fewest decisions first, and of a device the least excess first.
        """
        least = np.repeat(priced.value, np.diff(self.start))
        excess = np.maximum(self.cost + self.use @ priced.multipliers - least, 0.0)
        numbers: list[Ints] = []
        for first, end in pairwise(self.start.tolist()):
            order = first + np.argsort(excess[first:end], kind="stable")
            numbers.append(order[excess[order] < delta])
        levels = np.argsort([len(some) for some in numbers], kind="stable")
        chosen = [numbers[m] for m in levels]
        together = np.concatenate(chosen)
        decisions = DecisionLists(
            self.devices[levels],
            np.cumsum([0, *map(len, chosen)]),
            tuple(self.places[m][numbers[m] - self.start[m]] for m in levels),
            self.cost[together],
            np.ascontiguousarray(self.use[together]),
        )
        return decisions, excess[together]


def cheap_decisions(
    search: DeviceSearch, limits: NestedLimits, priced: DualValue, delta: float, pause: Pause
) -> DecisionLists:
    """The undominated decisions with less excess than delta.

    Raises
    ------
    TooManyDecisions
        If they do not fit into memory.
    """
    price, charge = limits.prices(priced.multipliers)
    found: list[tuple[Ints, Floats]] = []
    for m, least in enumerate(priced.value.tolist()):

        def needed(places: Ints, cost: Floats, m: int = m) -> Ints:
            return undominated(cost, limits.use(m, places), pause)

        found.append(search.below(m, least + delta, price, charge, pause, needed))
    places, costs = zip(*found, strict=True)
    uses = [limits.use(m, rows) for m, rows in enumerate(places)]
    return DecisionLists(
        np.arange(len(found)),
        np.cumsum([0, *map(len, costs)]),
        places,
        np.concatenate(costs),
        np.ascontiguousarray(np.concatenate(uses)),
    )


def undominated(cost: Floats, use: Ints, pause: Pause) -> Ints:
    """The numbers of the decisions, with costs (B,) and uses (B, R), that none of them dominates."""
    order = _cheapest_of_each_use(cost, use)
    order = order[np.argsort(cost[order], kind="stable")]
    stays, progress = np.ones(len(order), dtype=np.bool_), np.zeros(2, dtype=np.int64)
    ascending = np.ascontiguousarray(use[order])
    front = np.empty_like(ascending)
    while not _drop_dominated(ascending, front, stays, progress, COMPARISONS):
        pause()
    return order[stays]


def _cheapest_of_each_use(cost: Floats, use: Ints) -> Ints:
    """The cheapest decision of each use; sorted by a hash of it, since sorting whole rows takes long."""
    name = use @ np.random.default_rng(0).integers(2**62, size=use.shape[1])
    order = np.lexsort((cost, name))
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (use[order[1:]] != use[order[:-1]]).any(axis=1)
    return order[new]


@kernel(
    types.boolean(_READ_INTS, writable("int64", 2), writable("boolean"), writable("int64"), types.int64),
    needed=of_format_1,
)
def _drop_dominated(use: Ints, front: Ints, stays: NDArray[np.bool_], progress: Ints, most: int) -> bool:
    """Of decisions by ascending cost, drop those that use at least as much as an earlier one.

    Parameters
    ----------
    use
        (B, R).
    front, stays, progress
        (B, R) uses of those that stay, (B,), (2,) how many are done and how many stay so far.
    most
        After so many comparisons it pauses.

    Returns
    -------
    bool
        Whether all are done.
    """
    done, count = progress
    for i in range(done, len(use)):
        if most < 0:
            progress[:] = i, count
            return False
        for k in range(count):
            r = 0
            while r < use.shape[1] and front[k, r] <= use[i, r]:
                r += 1
            if r == use.shape[1]:
                stays[i] = False
                most -= k
                break
        else:
            front[count] = use[i]
            count += 1
            most -= count
    progress[:] = len(use), count
    return True


@kernel(
    types.void(_READ_INT, _READ, _READ_INTS, _READ, writable("float64"), writable("int64")),
    needed=of_format_1,
)
def _cheapest(start: Ints, cost: Floats, use: Ints, price: Floats, value: Floats, used: Ints) -> None:
    """Each device's least cost and price (D,), and what these decisions use together (R,)."""
    used[:] = 0
    for m in range(len(value)):
        least, chosen = np.inf, start[m]
        for i in range(start[m], start[m + 1]):
            here = cost[i]
            for r in range(len(price)):
                here += price[r] * use[i, r]
            if here < least:
                least, chosen = here, i
        value[m] = least
        used += use[chosen]
