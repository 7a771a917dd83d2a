r"""All decisions of a device that are not too dear, and that no other one makes needless: its patterns.

**Levels.** Let the distinct speeds of the offload points that have capacity be s_1 > s_2 > ..., and Q_l
the capacity of the points with speed s_l or more. A solution that keeps all capacities has
U_l = sum_m U_ml <= Q_l for all l, where U_ml counts the subtasks that device m places at speed s_l or more.
Conversely, where these hold, subtasks can be moved to points no slower until all capacities are kept, at no
more cost (:func:`.structured.pooling.settle`). So all that matters of a decision is its *pattern*: its
cost and its (U_ml), and a decision is *needless* if another one of the device costs no more and has nowhere
a higher U_ml.

**Enumeration.** Let L be the Lagrangian bound at some prices, and r what a decision of device m costs with
prices above the least of m. Every solution with that decision costs at least L + r. Where the gap is small,
few patterns are left below a cutoff: for forks with 16 branches, where subtasks off the heaviest path take
the slowest place that will do, some tens. They are found by the labels of :mod:`.plan` in three passes:

1. upwards, the least labels of each list, as in pricing, at any price of the levels;
2. downwards, for each of these labels, the least that the rest of the task can add to it. It rises with the
   delay d of the label, so that it is a bound for all labels from there to the next d;
3. upwards, all labels (d, c, U_ml) within the cutoff that no other one of their list beats in d, in cost
   without prices, and in all U_ml.

This needs labels without a p, and blocks in series on every path only (:attr:`.plan.Plan.multiplies`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Instance
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import (
    kernel,
    named,
    of_format_1,
    read_only,
    readable,
    subroutine,
    writable,
)
from offloadlib.instances.loops import SMALLEST, copy, order_of
from offloadlib.instances.structured.inlined import GROUP_SIDES, at_point
from offloadlib.instances.structured.model import Places

from .labels import side_of
from .plan import LEAF, PLAN, SERIES, labelled, plan
from .pricing import Prices, Restrictions
from .tables import OFFERS, Offers, sides

LARGEST_ARENA = 40_000
"""Labels of one device, at the most."""

MOST_PATTERNS = 3_000
"""Patterns of one device, at the most."""

LARGEST_EFFORT = 10_000_000
"""Comparisons of labels in one enumeration, at the most."""

TIE = 1e-13
"""Costs that differ by so little, relatively to the ceiling, count as equal: sums of some hundred parts
lose less."""

TIE_BREAK = 1e3
"""Ties that each place taken counts for in the order of labels: more than the one tie by which a label that
beats another may cost more."""


class Levels:
    """The speeds of an instance's offload points, fastest first, and what is at most placed at them.

    Attributes
    ----------
    of
        (N,) the level of each offload point; -1 for those without capacity.
    speeds
        (L,) in MIPS.
    limits
        (L,) capacity of the points of a level and of all faster ones.
    points
        (L,) one point of each level.
    """

    def __init__(self, instance: Instance) -> None:
        points = instance.points
        usable = points.capacity > 0
        self.speeds: Floats = np.ascontiguousarray(np.unique(points.cpu[usable])[::-1])
        self.of: Ints = np.where(usable, np.searchsorted(-self.speeds, -points.cpu), -1)
        self.limits = np.array([points.capacity[usable & (points.cpu >= s)].sum() for s in self.speeds])
        self.points: Places = np.array([np.flatnonzero(self.of == i)[0] for i in range(len(self.speeds))])

    def raised(self, prices: Prices) -> Prices:
        """Prices that do not fall as speed rises: each point's is raised to that of all slower ones."""
        highest = np.array([prices.capacity[self.of >= i].max() for i in range(len(self.speeds))])
        return self.prices(highest, prices.channels)

    def prices(self, of_levels: Floats, channels: Floats) -> Prices:
        """Prices of levels as prices of points, 0 where there is no capacity."""
        return Prices(np.append(of_levels, 0.0)[self.of], channels)


class DevicePatterns(NamedTuple):
    """Patterns of one device.

    Attributes
    ----------
    cost
        (P,) without prices.
    used
        (P, L) subtasks at each level or a faster one.
    level
        (P, K) the level of each subtask, -1 for local.
    """

    cost: Floats
    used: Ints
    level: Places

    @classmethod
    def room(cls, levels: int, size: int) -> DevicePatterns:
        """For as many as there may be."""
        used = np.empty((MOST_PATTERNS, levels), dtype=np.int64)
        return cls(np.empty(MOST_PATTERNS), used, np.empty((MOST_PATTERNS, size), dtype=np.int32))

    def first(self, count: int) -> DevicePatterns:
        """So many of them."""
        return DevicePatterns(self.cost[:count].copy(), self.used[:count].copy(), self.level[:count].copy())


_PATTERNS = named(DevicePatterns, writable("float64"), writable("int64", 2), writable("int32", 2))


class _Asked(NamedTuple):
    """What is left to a device: (K, L+1) levels, local last; the price of its radio; and the highest cost
    with prices."""

    allowed: NDArray[np.bool_]
    radio: float
    ceiling: float


_ASKED = named(_Asked, readable("boolean", 2), types.float64, types.float64)


def enumerable(instance: Instance) -> bool:
    """Whether the labels of all tasks can be enumerated."""
    return bool((instance.points.capacity > 0).any()) and all(map(labelled, instance.applications))


def enumerate_patterns(
    instance: Instance,
    levels: Levels,
    prices: Prices,
    restrictions: Restrictions | None,
    ceilings: Floats,
) -> Iterator[tuple[int, DevicePatterns | None]]:
    """The patterns of each connected device, one device after the other.

    Parameters
    ----------
    instance, levels
        An instance for which this is possible (:func:`enumerable`).
    prices
        As :meth:`Levels.raised` returns them.
    restrictions
        The branches that decisions obey.
    ceilings
        (M,) for each device the highest cost with prices.

    Yields
    ------
    int, DevicePatterns
        A device, and its patterns; None if there are too many.
    """
    points = Offers(
        *map(read_only, (levels.speeds, prices.capacity[levels.points], np.arange(len(levels.speeds))))
    )
    effort = np.array([LARGEST_EFFORT])
    for g, term in enumerate(instance.terms):
        group, found = term.group, plan(term.group.application)
        assert found is not None
        connected = instance.devices.connected_to[group.members]
        radio = np.where(connected == LOCAL, 0.0, prices.channels[connected]).tolist()
        room = DevicePatterns.room(len(levels.speeds), group.application.size)
        for i in np.flatnonzero(connected != LOCAL).tolist():
            m = int(group.members[i])
            allowed = _allowed(levels, group.application.size, restrictions, g, i)
            asked = _Asked(read_only(allowed), radio[i], float(ceilings[m]))
            count = patterns_by_labels(sides(term, slice(i, i + 1)), points, found, asked, effort, room)
            yield m, None if count < 0 else room.first(count)


def _allowed(
    levels: Levels, size: int, restrictions: Restrictions | None, g: int, i: int
) -> NDArray[np.bool_]:
    """(K, L+1) the levels left to the subtasks of device i of group g, local last."""
    allowed = np.ones((size, len(levels.speeds) + 1), dtype=np.bool_)
    if restrictions is not None:
        for k, left in enumerate(restrictions.of_device(g, i)):
            if left is not None:
                allowed[k, -1] = left[LOCAL]
                allowed[k, :-1] = False
                allowed[k, levels.of[left[:-1] & (levels.of >= 0)]] = True
    return allowed


class _Bounds(NamedTuple):
    """The least labels (d, c), and what the rest of the task adds to each at least."""

    d: Any
    c: Any
    rest: Any


class _Labels(NamedTuple):
    """Labels (d, c, used at each level), and what each is made of: two others, or -2 - a subtask, and its
    level."""

    d: Any
    c: Any
    used: Any
    left: Any
    right: Any


@subroutine
def _staircase(d, c, start, end):  # type: ignore[no-untyped-def]
    """Keep of labels [start, end) those whose c falls as d rises; returns the new end."""
    order, size = order_of(d, start, end), end - start
    some_d, some_c = np.empty(size), np.empty(size)
    for x in range(size):
        some_d[x], some_c[x] = d[order[x]], c[order[x]]
    kept = start
    for x in range(size):
        if kept > start and c[kept - 1] <= some_c[x]:
            continue
        if kept > start and d[kept - 1] == some_d[x]:
            kept -= 1
        d[kept], c[kept] = some_d[x], some_c[x]
        kept += 1
    return kept


@subroutine
def _outside(bounds, span, at):  # type: ignore[no-untyped-def]
    """What the rest adds at least to a delay: that of the label with the greatest d up to it."""
    start, end = span
    while end - start > 1:
        middle = (start + end) // 2
        if bounds.d[middle] <= at:
            start = middle
        else:
            end = middle
    return bounds.rest[start]


@subroutine
def _complete(bounds, one, two, whole, fold):  # type: ignore[no-untyped-def]
    """Lower what the rest adds to the labels of ``one``, by what ``two`` and all else can add to them."""
    d, c, rest = bounds
    first, last = two
    after = np.empty(last - first + 1)  # the least of the labels of two from here on, if theirs is the delay
    after[-1] = np.inf
    for j in range(last - 1, first - 1, -1):
        more = rest[whole[0]] + d[j] if fold else _outside(bounds, whole, d[j])
        after[j - first] = min(after[j - first + 1], c[j] + more)
    j = first
    for i in range(one[0], one[1]):
        while j < last and d[j] <= d[i]:
            j += 1
        least = after[j - first]
        if j > first:
            more = rest[whole[0]] + d[i] if fold else _outside(bounds, whole, d[i])
            least = min(least, c[j - 1] + more)
        rest[i] = min(rest[i], least)


@subroutine
def _undominated(labels, prices, tie, effort, start, end):  # type: ignore[no-untyped-def]
    """Keep of labels [start, end) those that no other one beats in d, cost without prices and all levels.

    Returns the new end, and -1 where that takes more than the effort that is left.
    """
    d, c, used, left, right = labels
    size, levels = end - start, used.shape[1]
    if size < 2:
        return end
    cost, key = np.empty(size), np.empty(size)
    for x in range(size):
        paid, total, before = 0.0, 0, 0
        for n in range(levels):
            paid += prices[n] * (used[start + x, n] - before)
            before = used[start + x, n]
            total += before
        cost[x] = c[start + x] - paid
        key[x] = c[start + x] + TIE_BREAK * tie * total  # whoever beats another one comes before it
    order = order_of(key, 0, size)
    some_d, some_c, some_used = d[start:end].copy(), c[start:end].copy(), used[start:end].copy()
    some_left, some_right = left[start:end].copy(), right[start:end].copy()
    kept_cost = np.empty(size)
    kept = start
    for x in order:
        effort[0] -= kept - start
        if effort[0] < 0:
            return -1
        beaten = False
        for y in range(start, kept):
            if d[y] > some_d[x] or kept_cost[y - start] > cost[x] + tie:
                continue
            beaten = True
            for n in range(levels - 1, -1, -1):
                if used[y, n] > some_used[x, n]:
                    beaten = False
                    break
            if beaten:
                break
        if not beaten:
            d[kept], c[kept] = some_d[x], some_c[x]
            copy(used[kept], some_used[x])
            left[kept], right[kept] = some_left[x], some_right[x]
            kept_cost[kept - start] = cost[x]
            kept += 1
    return kept


@kernel(
    types.int64(GROUP_SIDES, OFFERS, PLAN, _ASKED, writable("int64"), _PATTERNS),
    needed=lambda instance: of_format_1(instance) and enumerable(instance),
)
def patterns_by_labels(sides, points, plan, asked, effort, room):  # type: ignore[no-untyped-def]
    """The patterns of a device up to a ceiling; returns how many, -1 if too many."""
    steps, options, pairs, pair_start = plan.steps, plan.options, plan.pairs, plan.pair_start
    prices, allowed, levels = points.price, asked.allowed, len(points.cpu)
    tie = TIE * max(abs(asked.ceiling), SMALLEST)
    ceiling = asked.ceiling + tie
    lists = len(options)

    # Labels of single subtasks, at any cost.
    own_d, own_c = np.empty(lists * (levels + 1)), np.empty(lists * (levels + 1))
    own_level = np.empty(lists * (levels + 1), np.int64)
    own_begin, own_end = np.zeros(lists, np.int64), np.zeros(lists, np.int64)
    at = 0
    for s in range(len(steps)):
        if steps[s, 0] != LEAF:
            continue
        k, work = steps[s, 1], sides.work[0, steps[s, 1]]
        for number in range(steps[s, 4], steps[s, 4] + steps[s, 5]):
            own_begin[number] = at
            for o in range(2):
                if options[number, 0] >= 0 and options[number, 0] != o:
                    continue
                delay, after, energy = side_of(sides, plan, 0, s, number, o)
                for n in range(levels + 1):
                    if (o == 0) != (n == levels) or not allowed[k, n]:
                        continue
                    own_d[at], own_c[at], own_level[at] = delay, energy + after, -1
                    if o == 1:
                        there, spent = at_point(work, points.cpu[n])
                        own_d[at] += there
                        own_c[at] += spent + prices[n]
                        own_level[at] = n
                    if steps[s, 2] == 1:
                        own_d[at], own_c[at] = 0.0, own_c[at] + own_d[at]
                    at += 1
            own_end[number] = at

    # 1. Least labels.
    d, c = np.empty(LARGEST_ARENA), np.empty(LARGEST_ARENA)
    begin, end = np.zeros(lists, np.int64), np.zeros(lists, np.int64)
    at = 0
    for s in range(len(steps)):
        kind, fold = steps[s, 0], steps[s, 2] == 1
        for number in range(steps[s, 4], steps[s, 4] + steps[s, 5]):
            begin[number] = at
            least = np.inf
            if kind == LEAF:
                for i in range(own_begin[number], own_end[number]):
                    if fold:
                        least = min(least, own_c[i])
                    else:
                        d[at], c[at] = own_d[i], own_c[i]
                        at += 1
            else:
                for pair in range(pair_start[number], pair_start[number + 1]):
                    one, two = pairs[pair, 0], pairs[pair, 1]
                    i, j = begin[one], begin[two]
                    if i == end[one] or j == end[two]:
                        continue
                    if kind == SERIES:
                        least = min(least, c[i] + c[j])
                        continue
                    x = max(d[i], d[j])
                    while True:
                        while i + 1 < end[one] and d[i + 1] <= x:
                            i += 1
                        while j + 1 < end[two] and d[j + 1] <= x:
                            j += 1
                        if fold:
                            least = min(least, c[i] + c[j] + x)
                        else:
                            if at == LARGEST_ARENA:
                                return -1
                            d[at], c[at] = x, c[i] + c[j]
                            at += 1
                        x = np.inf
                        if i + 1 < end[one]:
                            x = d[i + 1]
                        if j + 1 < end[two]:
                            x = min(x, d[j + 1])
                        if x == np.inf:
                            break
            if fold:
                if least < np.inf:
                    d[at], c[at] = 0.0, least
                    at += 1
            else:
                at = _staircase(d, c, begin[number], at)
            end[number] = at
            if at + 2 * levels + 2 > LARGEST_ARENA:
                return -1

    # 2. What the rest adds at least.
    rest = np.full(at, np.inf)
    bounds = _Bounds(d, c, rest)
    rest[begin[lists - 1] : end[lists - 1]] = 0.0
    for s in range(len(steps) - 1, -1, -1):
        if steps[s, 0] == LEAF:
            continue
        for number in range(steps[s, 4], steps[s, 4] + steps[s, 5]):
            whole = begin[number], end[number]
            if whole[0] == whole[1]:
                continue
            fold = steps[s, 2] == 1
            for pair in range(pair_start[number], pair_start[number + 1]):
                one, two = pairs[pair, 0], pairs[pair, 1]
                first, second = (begin[one], end[one]), (begin[two], end[two])
                if first[0] < first[1] and second[0] < second[1]:
                    _complete(bounds, first, second, whole, fold)
                    _complete(bounds, second, first, whole, fold)

    # 3. All labels up to the ceiling.
    ed, ec = np.empty(LARGEST_ARENA), np.empty(LARGEST_ARENA)
    eu = np.zeros((LARGEST_ARENA, levels), np.int32)
    left, right = np.empty(LARGEST_ARENA, np.int64), np.empty(LARGEST_ARENA, np.int64)
    labels = _Labels(ed, ec, eu, left, right)
    ebegin, eend = np.zeros(lists, np.int64), np.zeros(lists, np.int64)
    at = 0
    for s in range(len(steps)):
        kind, k, fold = steps[s, 0], steps[s, 1], steps[s, 2] == 1
        for number in range(steps[s, 4], steps[s, 4] + steps[s, 5]):
            ebegin[number] = at
            eend[number] = at
            whole = begin[number], end[number]
            if whole[0] == whole[1]:
                continue
            if kind == LEAF:
                for i in range(own_begin[number], own_end[number]):
                    if own_c[i] + _outside(bounds, whole, own_d[i]) > ceiling:
                        continue
                    if at == LARGEST_ARENA:
                        return -1
                    ed[at], ec[at], left[at], right[at] = own_d[i], own_c[i], -2 - k, own_level[i]
                    for q in range(levels):
                        eu[at, q] = 1 if 0 <= own_level[i] <= q else 0
                    at += 1
            else:
                for pair in range(pair_start[number], pair_start[number + 1]):
                    one, two = pairs[pair, 0], pairs[pair, 1]
                    for i in range(ebegin[one], eend[one]):
                        for j in range(ebegin[two], eend[two]):
                            x, y = max(ed[i], ed[j]), ec[i] + ec[j]
                            if fold:
                                x, y = 0.0, y + x
                            if y + _outside(bounds, whole, x) > ceiling:
                                continue
                            if at == LARGEST_ARENA:
                                return -1
                            ed[at], ec[at], left[at], right[at] = x, y, i, j
                            for q in range(levels):
                                eu[at, q] = eu[i, q] + eu[j, q]
                            at += 1
            at = _undominated(labels, prices, tie, effort, ebegin[number], at)
            if at < 0:
                return -1
            eend[number] = at

    count = 0
    stack = np.empty(2 * len(steps) + 2, np.int64)
    for x in range(ebegin[lists - 1], eend[lists - 1]):
        if eu[x, levels - 1] > 0 and ec[x] + asked.radio > ceiling:
            continue
        if count == len(room.cost):
            return -1
        paid, before = 0.0, 0
        for q in range(levels):
            room.used[count, q] = eu[x, q]
            paid += prices[q] * (eu[x, q] - before)
            before = eu[x, q]
        room.cost[count] = ec[x] - paid
        depth, stack[0] = 0, x
        while depth >= 0:
            i = stack[depth]
            depth -= 1
            if left[i] <= -2:
                room.level[count, -2 - left[i]] = right[i]
            else:
                stack[depth + 1], stack[depth + 2] = left[i], right[i]
                depth += 2
        count += 1
    return count
